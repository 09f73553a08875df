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

// C (m, n) = A B with all of B packed: packed (⌈n/panel⌉, k, panel).  bias (n,) is added to each row, or null.
template <class T>
void product_packed(i64 m, i64 n, i64 k, const T* A, i64 rs, i64 ks, const T* packed, const T* bias, T* C, i64 ldc) {
    for (i64 j = 0; j < n; j += panel<T>, packed += k * panel<T>)
        panel_product<T>(m, (int)(n - j < panel<T> ? n - j : panel<T>), k, A, rs, ks, packed, bias ? bias + j : nullptr,
                         false, C + j, ldc);
}

// C (m, n) (+)= A B with B (k, ldb ≥ n) as it lies: each panel is copied to `scratch` (k, panel) first.
template <class T>
void product(i64 m, i64 n, i64 k, const T* A, i64 rs, i64 ks, const T* B, i64 ldb, bool add, T* C, i64 ldc, T* scratch) {
    for (i64 j = 0; j < n; j += panel<T>) {
        const int columns = (int)(n - j < panel<T> ? n - j : panel<T>);
        T* to = scratch;
        for (i64 p = 0; p < k; ++p, to += panel<T>) {
            const T* from = B + p * ldb + j;
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
        panel_product<T>(m, columns, k, A, rs, ks, scratch, nullptr, add, C + j, ldc);
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

// Wᵀ in panels: rows first … last−1 of W (n, k) as columns of the packed B (k, n) of z = a Wᵀ.  `first` is a multiple
// of N; lanes beyond n become zeros.
template <class T> void pack_transposed(const T* W, i64 n, i64 k, i64 first, i64 last, T* packed) {
    for (i64 j = first; j < last; j += N<T>) {
        T* to = packed + j / panel<T> * panel<T> * k + j % panel<T>;
        const int rows = (int)(n - j < N<T> ? n - j : N<T>);
        for (i64 p = 0; p < k; p += N<T>) {
            const int columns = (int)(k - p < N<T> ? k - p : N<T>);
            V<T> r[N<T>];
            for (int i = 0; i < N<T>; ++i) r[i] = i < rows ? load_n<T>(W + (j + i) * k + p, columns) : V<T>{};
            transpose<T>(r);
            for (int i = 0; i < columns; ++i) store<T>(to + (p + i) * panel<T>, r[i]);
        }
    }
}

}  // namespace backlit::BACKLIT_ISA
