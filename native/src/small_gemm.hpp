// Matrix products for sizes where a BLAS call costs more than its arithmetic: C (m, n) = A (m, k) B (k, n), row-major.
//
// B is packed into panels of `panel` columns (k, panel), the last one filled up with zeros; a tile of C stays in
// registers over all of k.  A is read where it lies, by its two strides, so that A may be a transpose.
#pragma once
#include "kernels.hpp"
#include "simd.hpp"

namespace backlit::BACKLIT_ISA {

#if defined(__AVX512F__)
constexpr int tile_rows = 14;
#elif defined(__AVX2__)
constexpr int tile_rows = 6;
#elif defined(__aarch64__)
constexpr int tile_rows = 8;  // of 32 registers
#else
constexpr int tile_rows = 4;
#endif
constexpr int tile_vectors = 2;
template <class T> constexpr int panel = tile_vectors * N<T>;

// A tile of C under one panel of B: as ProductJob has them, but B is a packed panel, and `last` lanes of C's last vector
// are there.
template <class T> struct TileJob {
    i64 k;
    const T* A;
    i64 row_step, k_step;
    const T *B, *bias;
    bool add;
    T* C;
    i64 ldc;
    int last;
};

// C (rows, columns of one panel) = A B + (bias, or C itself, or nothing).
template <class T, int rows, int vectors> INLINE void tile(const TileJob<T>& job) {
    const TileJob<T> t = job;  // a copy that no store below can change
    V<T> c[rows][vectors];
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) {
            const int lanes = j + 1 < vectors ? N<T> : t.last;
            c[i][j] = t.bias ? load_n<T>(t.bias + j * N<T>, lanes) : t.add ? load_n<T>(t.C + i * t.ldc + j * N<T>, lanes) : V<T>{};
        }
    const T *A = t.A, *B = t.B;
    for (i64 p = 0; p < t.k; ++p, B += panel<T>, A += t.k_step) {
        V<T> b[vectors];
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) b[j] = load<T>(B + j * N<T>);
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
            for (int j = 0; j < vectors; ++j) c[i][j] = fma<T>(A[i * t.row_step], b[j], c[i][j]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j)
            store_n<T>(t.C + i * t.ldc + j * N<T>, c[i][j], j + 1 < vectors ? N<T> : t.last);
}

template <class T, int vectors, int rows> void tile_of(int r, const TileJob<T>& job) {
    if constexpr (rows > 0) {
        if (r == rows) tile<T, rows, vectors>(job);
        else tile_of<T, vectors, rows - 1>(r, job);
    }
}

// One panel of B, `columns` of it, against all m rows of A, the rows shared out evenly over the tiles.
template <class T> void panel_product(i64 m, int columns, TileJob<T> job) {
    const i64 tiles = (m + tile_rows - 1) / tile_rows;
    const bool wide = columns > N<T>;
    job.last = wide ? columns - N<T> : columns;
    for (i64 t = 0, i = 0; t < tiles; ++t) {
        const int r = (int)(m * (t + 1) / tiles - i);
        if (wide) tile_of<T, 2, tile_rows>(r, job);
        else tile_of<T, 1, tile_rows>(r, job);
        i += r, job.A += r * job.row_step, job.C += r * job.ldc;
    }
}

constexpr i64 longest_panel = 1024;  // rows of a packed panel, which then stays in the second cache
constexpr i64 copied_columns = 512;  // of A, where its rows are copied
constexpr i64 copied_step = copied_columns + 16;

// Whether rows of A would fall on each other in the first cache: then they are copied apart, to the end of the scratch.
template <class T> bool copies_rows(i64 row_step, i64 k_step, i64 k) {
    return k_step == 1 && (k > longest_panel || row_step * (i64)sizeof(T) % 4096 == 0);
}

// The loops of every product: blocks of k, panels of B.  panel_at(j, columns, p, count) gives B's panel from column j,
// rows p … p+count−1.  Each number of C is summed over k in one order, however rows and columns are cut.
template <class T, class F> INLINE void blocked(const ProductJob<T>& job, F panel_at) {
    if (job.n == 0) return;
    const bool copies = copies_rows<T>(job.row_step, job.k_step, job.k);
    const i64 block = copies ? copied_columns : longest_panel;
    T* const copy = job.scratch + longest_panel * panel<T>;
    for (i64 p = 0; p < job.k; p += block) {
        const i64 count = job.k - p < block ? job.k - p : block;
        const T* from = job.A + p * job.k_step;
        if (copies)
            for (i64 i = 0; i < job.m; ++i)
                __builtin_memcpy(copy + i * copied_step, from + i * job.row_step, sizeof(T) * count);
        for (i64 j = 0; j < job.n; j += panel<T>) {
            const int columns = (int)(job.n - j < panel<T> ? job.n - j : panel<T>);
            const T* bias = p == 0 && job.bias ? job.bias + j : nullptr;
            panel_product<T>(job.m, columns,
                             {count, copies ? copy : from, copies ? copied_step : job.row_step, job.k_step,
                              panel_at(j, columns, p, count), bias, job.add || p > 0, job.C + j, job.ldc, 0});
        }
    }
}

template <class T> INLINE void copy_panel(const T* from, i64 ldb, int columns, i64 rows, T* to) {
    for (i64 p = 0; p < rows; ++p, to += panel<T>, from += ldb) {
        if (columns == panel<T>) {
            store<T>(to, load<T>(from));
            store<T>(to + N<T>, load<T>(from + N<T>));
        } else if (columns > N<T>) {
            store<T>(to, load<T>(from));
            store<T>(to + N<T>, load_part<T>(from + N<T>, columns - N<T>));
        } else {
            store<T>(to, load_n<T>(from, columns));
        }
    }
}

// core.passes [BP4] ∂C/∂W (units, n_in) = Δᵀ A_{l−1}, and [BP5] ∂C/∂a (m, n_in) = δ W: C (m, n) = A B or C += A B, with
// B (k, n) as it lies: each panel is copied to `scratch`.
template <class T> void product(const ProductJob<T>& job) {
    T* const scratch = job.scratch;
    const T* const B = job.B;
    const i64 ldb = job.ldb;
    blocked<T>(job, [=](i64 j, int columns, i64 p, i64 count) INLINE_LAMBDA {
        copy_panel<T>(B + p * ldb + j, ldb, columns, count, scratch);
        return scratch;
    });
}

// core.passes [BP4] with few inputs: C (m units, n inputs) = A B, from A = Δᵀ (k_step apart) and B = A_{l−1} (k, n),
// computed as Cᵀ = Bᵀ Aᵀ, so that the lanes are units.
template <class T> void product_of_few_inputs(const ProductJob<T>& job) {
    T transposed[N<T> * panel<T>];
    ProductJob<T> part;
    part.m = job.n, part.k = job.k, part.A = job.B, part.row_step = 1, part.k_step = job.ldb, part.ldb = job.k_step;
    part.C = transposed, part.ldc = panel<T>, part.scratch = job.scratch;
    for (i64 j = 0; j < job.m; j += panel<T>) {
        part.n = job.m - j < panel<T> ? job.m - j : panel<T>;
        part.B = job.A + j;
        product<T>(part);
        for (i64 i = 0; i < part.n; ++i)
            for (i64 p = 0; p < job.n; ++p) job.C[(j + i) * job.ldc + p] = transposed[p * panel<T> + i];
    }
}

template <class T, bool high, int... i> INLINE V<T> zip(V<T> a, V<T> b, std::integer_sequence<int, i...>) {
    return __builtin_shufflevector(a, b, ((i % 2) * N<T> + i / 2 + (high ? N<T> / 2 : 0))...);
}

// A square of N × N numbers: log₂ N rounds that interleave row i with row i + N/2 turn rows into columns.
template <class T> INLINE void transpose(V<T> (&r)[N<T>]) {
    V<T> s[N<T>];
    using lanes = std::make_integer_sequence<int, N<T>>;
#pragma GCC unroll 4
    for (int round = 1; round < N<T>; round *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < N<T> / 2; ++i) {
            s[2 * i] = zip<T, false>(r[i], r[i + N<T> / 2], lanes{});
            s[2 * i + 1] = zip<T, true>(r[i], r[i + N<T> / 2], lanes{});
        }
#pragma GCC unroll 16
        for (int i = 0; i < N<T>; ++i) r[i] = s[i];
    }
}

// Rows j … of W (n, k), columns p … p+count−1, as N columns of a packed panel; lanes beyond n become zeros.
template <class T> INLINE void transpose_into(const T* W, i64 n, i64 k, i64 j, i64 p, i64 count, T* to) {
    const int rows = (int)(n - j < N<T> ? (n > j ? n - j : 0) : N<T>);
    for (i64 q = 0; q < count; q += N<T>) {
        const int columns = (int)(count - q < N<T> ? count - q : N<T>);
        V<T> r[N<T>];
        for (int i = 0; i < N<T>; ++i) r[i] = i < rows ? load_n<T>(W + (j + i) * k + p + q, columns) : V<T>{};
        transpose<T>(r);
        for (int i = 0; i < columns; ++i) store<T>(to + (q + i) * panel<T>, r[i]);
    }
}

// Wᵀ in panels (⌈n/panel⌉, k, panel): the part of units first … last−1, `first` a multiple of N.
template <class T> void pack_transposed(const T* W, i64 n, i64 k, i64 first, i64 last, T* packed) {
    for (i64 j = first; j < last; j += N<T>)
        transpose_into<T>(W, n, k, j, 0, k, packed + j / panel<T> * panel<T> * k + j % panel<T>);
}

// core.passes [F1]: z (m, n) = A Wᵀ + bias for n units of W (n, k), packed before, or packed here, in `scratch`.
template <class T> void product_transposed(const ProductJob<T>& job) {
    T* const scratch = job.scratch;
    const T *const packed = job.packed, *const W = job.B;
    const i64 n = job.n, k = job.k;
    blocked<T>(job, [=](i64 j, int columns, i64 p, i64 count) INLINE_LAMBDA -> const T* {
        if (packed) return packed + j * k + p * panel<T>;
        transpose_into<T>(W, n, k, j, p, count, scratch);
        if (columns > N<T>) transpose_into<T>(W, n, k, j + N<T>, p, count, scratch + N<T>);
        return scratch;
    });
}

}  // namespace backlit::BACKLIT_ISA
