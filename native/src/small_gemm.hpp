// Matrix products for sizes where a BLAS call costs more than its arithmetic: C (m, n) = A (m, k) B (k, n), row-major.
//
// B is packed into panels of `panel` columns (k, panel), the last one filled up with zeros; a tile of C stays in
// registers over all of k.  A is read where it lies, by its two strides, so that A may be a transpose.
#pragma once
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

// C[rows × columns of one panel] = A B + (bias, or C itself, or nothing).
template <class T, int rows, int vectors>
INLINE void tile(i64 k, const T* A, i64 row_step, i64 k_step, const T* B, const T* bias, bool add, T* C, i64 ldc, int last) {
    V<T> c[rows][vectors];
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) {
            const int lanes = j + 1 < vectors ? N<T> : last;
            c[i][j] = bias ? load_n<T>(bias + j * N<T>, lanes) : add ? load_n<T>(C + i * ldc + j * N<T>, lanes) : V<T>{};
        }
    for (i64 p = 0; p < k; ++p, B += panel<T>, A += k_step) {
        V<T> b[vectors];
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) b[j] = load<T>(B + j * N<T>);
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
            for (int j = 0; j < vectors; ++j) c[i][j] += A[i * row_step] * b[j];
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) store_n<T>(C + i * ldc + j * N<T>, c[i][j], j + 1 < vectors ? N<T> : last);
}

template <class T, int vectors, int rows>
void tile_of(int r, i64 k, const T* A, i64 rs, i64 ks, const T* B, const T* bias, bool add, T* C, i64 ldc, int last) {
    if constexpr (rows > 0) {
        if (r == rows) tile<T, rows, vectors>(k, A, rs, ks, B, bias, add, C, ldc, last);
        else tile_of<T, vectors, rows - 1>(r, k, A, rs, ks, B, bias, add, C, ldc, last);
    }
}

// One panel of B against all rows of A, the rows shared out evenly over the tiles.
template <class T>
void panel_product(i64 m, int columns, i64 k, const T* A, i64 rs, i64 ks, const T* B, const T* bias, bool add, T* C, i64 ldc) {
    const i64 tiles = (m + tile_rows - 1) / tile_rows;
    const bool wide = columns > N<T>;
    const int last = wide ? columns - N<T> : columns;
    for (i64 t = 0, i = 0; t < tiles; ++t) {
        const int r = (int)(m * (t + 1) / tiles - i);
        if (wide) tile_of<T, 2, tile_rows>(r, k, A + i * rs, rs, ks, B, bias, add, C + i * ldc, ldc, last);
        else tile_of<T, 1, tile_rows>(r, k, A + i * rs, rs, ks, B, bias, add, C + i * ldc, ldc, last);
        i += r;
    }
}

constexpr i64 longest_panel = 1024;  // rows of a packed panel, which then stays in the second cache
constexpr i64 copied_columns = 512;  // of A, where its rows are copied
constexpr i64 copied_step = copied_columns + 16;

// Whether rows of A, `step` numbers apart, would fall on each other in the first cache: then they are copied apart.
template <class T> INLINE bool rows_collide(i64 step, i64 k) { return k > longest_panel || step * (i64)sizeof(T) % 4096 == 0; }

// The loops of every product: blocks of k, panels of B.  panel_at(j, columns, p, count) gives B's panel from column j,
// rows p … p+count−1.  bias (n,) is added to each row, or null; `add` adds to what C holds.
template <class T, class F>
INLINE void blocked(i64 m, i64 n, i64 k, const T* A, i64 rs, i64 ks, const T* bias, bool add, T* C, i64 ldc, T* copy, F panel_at) {
    const bool copies = copy && ks == 1 && rows_collide<T>(rs, k);
    const i64 block = copies ? copied_columns : longest_panel;
    for (i64 p = 0; p < k; p += block) {
        const i64 count = k - p < block ? k - p : block;
        const T* from = A + p * ks;
        if (copies)
            for (i64 i = 0; i < m; ++i) __builtin_memcpy(copy + i * copied_step, from + i * rs, sizeof(T) * count);
        for (i64 j = 0; j < n; j += panel<T>) {
            const int columns = (int)(n - j < panel<T> ? n - j : panel<T>);
            const T* start = p == 0 && bias ? bias + j : nullptr;
            panel_product<T>(m, columns, count, copies ? copy : from, copies ? copied_step : rs, ks,
                             panel_at(j, columns, p, count), start, add || p > 0, C + j, ldc);
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

// C (m, n) (+)= A B with B (k, ldb ≥ n) as it lies: each panel is copied to `scratch`, (longest_panel, panel) and then
// room for A's rows, m of copied_step.
template <class T>
void product(i64 m, i64 n, i64 k, const T* A, i64 rs, i64 ks, const T* B, i64 ldb, bool add, T* C, i64 ldc, T* scratch) {
    blocked<T>(m, n, k, A, rs, ks, nullptr, add, C, ldc, scratch + longest_panel * panel<T>,
               [&](i64 j, int columns, i64 p, i64 count) INLINE_LAMBDA {
                   copy_panel<T>(B + p * ldb + j, ldb, columns, count, scratch);
                   return scratch;
               });
}

// core.passes [BP4] with few inputs: C (units, n_in) = Dᵀ X from D (m, ld) and X (m, n_in), computed as (Xᵀ D)ᵀ, so that
// the lanes are units.
template <class T>
void product_of_few_inputs(i64 units, i64 n_in, i64 m, const T* D, i64 ld, const T* X, T* C, T* scratch) {
    T transposed[N<T> * panel<T>];
    for (i64 j = 0; j < units; j += panel<T>) {
        const i64 columns = units - j < panel<T> ? units - j : panel<T>;
        product<T>(n_in, columns, m, X, 1, n_in, D + j, ld, false, transposed, panel<T>, scratch);
        for (i64 i = 0; i < columns; ++i)
            for (i64 p = 0; p < n_in; ++p) C[(j + i) * n_in + p] = transposed[p * panel<T> + i];
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

// core.passes [F1]: z (m, n) = A Wᵀ + bias for n units of W (n, k), packed before, or null: packed here, in `scratch`.
template <class T>
void product_transposed(i64 m, i64 n, i64 k, const T* A, const T* W, const T* packed, const T* bias, T* C, i64 ldc, T* scratch) {
    blocked<T>(m, n, k, A, k, 1, bias, false, C, ldc, scratch + longest_panel * panel<T>,
               [&](i64 j, int columns, i64 p, i64 count) INLINE_LAMBDA -> const T* {
                   if (packed) return packed + j * k + p * panel<T>;
                   transpose_into<T>(W, n, k, j, p, count, scratch);
                   if (columns > N<T>) transpose_into<T>(W, n, k, j + N<T>, p, count, scratch + N<T>);
                   return scratch;
               });
}

}  // namespace backlit::BACKLIT_ISA
