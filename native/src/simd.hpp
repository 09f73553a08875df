// Vectors of the width that this translation unit is compiled for, on the compilers' own vector types.
//
// Included by kernels.cpp only, once an instruction set: everything lies in a namespace named after the set, so that
// no function compiled for AVX-512 can be linked into the baseline.  For the same reason nothing of <algorithm>,
// <cmath> or <vector> is used here.
#pragma once
#include <cstdint>
#include <utility>
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if !defined(BACKLIT_ISA)
#error "compile kernels.cpp with -DBACKLIT_ISA=baseline, avx2 or avx512"
#endif
#if defined(__AVX512F__)
#define BACKLIT_BYTES 64
#elif defined(__AVX2__)
#define BACKLIT_BYTES 32
#else
#define BACKLIT_BYTES 16
#endif
#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))

namespace backlit::BACKLIT_ISA {

using i64 = std::int64_t;

template <class T> struct simd;
template <> struct simd<float> {
    typedef float V __attribute__((vector_size(BACKLIT_BYTES)));
    typedef std::int32_t I __attribute__((vector_size(BACKLIT_BYTES)));
    using S = std::int32_t;
    static constexpr int N = BACKLIT_BYTES / 4, mantissa = 23, bias = 127;
    static constexpr float tiny = 1.17549435e-38f;
};
template <> struct simd<double> {
    typedef double V __attribute__((vector_size(BACKLIT_BYTES)));
    typedef std::int64_t I __attribute__((vector_size(BACKLIT_BYTES)));
    using S = std::int64_t;
    static constexpr int N = BACKLIT_BYTES / 8, mantissa = 52, bias = 1023;
    static constexpr double tiny = 2.2250738585072014e-308;
};
template <class T> using V = typename simd<T>::V;
template <class T> using I = typename simd<T>::I;
template <class T> constexpr int N = simd<T>::N;

template <class T> INLINE V<T> all(T x) { return x - V<T>{}; }  // x − 0 keeps the sign of −0
template <class T> INLINE V<T> load(const T* p) {
    V<T> v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
template <class T> INLINE void store(T* p, V<T> v) { __builtin_memcpy(p, &v, sizeof v); }
template <class T> INLINE I<T> bits(V<T> v) { return (I<T>)v; }
template <class T> INLINE V<T> number(I<T> i) { return (V<T>)i; }
template <class T> INLINE I<T> all_bits(typename simd<T>::S x) { return x - I<T>{}; }

// The first n < N numbers at p; the other lanes are 0, and memory beyond p + n is not touched.
template <class T> INLINE V<T> load_part(const T* p, int n) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return (V<T>)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
    else return (V<T>)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#else
    V<T> v{};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
#endif
}
template <class T> INLINE void store_part(T* p, V<T> v, int n) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
    else _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#else
    for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}

// Lane i of the result is lane i + by, around the end.
template <class T, int by, class Vector, int... i> INLINE Vector rotated(Vector v, std::integer_sequence<int, i...>) {
    return __builtin_shufflevector(v, v, ((i + by) % N<T>)...);
}

// Combines all lanes by halves, in the same order on every call; the result stands in lane 0.
template <class T, int half = N<T> / 2, class Vector, class F> INLINE Vector folded(Vector v, F combine) {
    if constexpr (half == 0) return v;
    else return folded<T, half / 2>(combine(v, rotated<T, half>(v, std::make_integer_sequence<int, N<T>>{})), combine);
}

// a > b ? a : b, and a < b ? a : b: b where either is NaN, as x86's instructions have it, which compilers do not find.
template <class T> INLINE V<T> max(V<T> a, V<T> b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return (V<T>)_mm512_max_ps((__m512)a, (__m512)b);
    else return (V<T>)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return (V<T>)_mm256_max_ps((__m256)a, (__m256)b);
    else return (V<T>)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
    return a > b ? a : b;
#endif
}
template <class T> INLINE V<T> min(V<T> a, V<T> b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return (V<T>)_mm512_min_ps((__m512)a, (__m512)b);
    else return (V<T>)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return (V<T>)_mm256_min_ps((__m256)a, (__m256)b);
    else return (V<T>)_mm256_min_pd((__m256d)a, (__m256d)b);
#else
    return a < b ? a : b;
#endif
}

// Sum and maximum over the lanes; a NaN may be lost in the maximum.
template <class T> INLINE T sum(V<T> v) {
    return folded<T>(v, [](V<T> a, V<T> b) INLINE_LAMBDA { return a + b; })[0];
}
template <class T> INLINE T largest(V<T> v) {
    return folded<T>(v, [](V<T> a, V<T> b) INLINE_LAMBDA { return max<T>(a, b); })[0];
}
template <class T> INLINE bool any(I<T> mask) {
    return folded<T>(mask, [](I<T> a, I<T> b) INLINE_LAMBDA { return a | b; })[0] != 0;
}
template <int... i> INLINE V<double> wide_half(V<float> v, int first, std::integer_sequence<int, i...>) {
    if (first) return __builtin_convertvector(__builtin_shufflevector(v, v, (i + N<double>)...), V<double>);
    return __builtin_convertvector(__builtin_shufflevector(v, v, i...), V<double>);
}
template <class T> INLINE double sum_double(V<T> v) {
    if constexpr (sizeof(T) == 8) return sum<double>(v);
    else {
        using lanes = std::make_integer_sequence<int, N<double>>;
        return sum<double>(wide_half(v, 0, lanes{}) + wide_half(v, 1, lanes{}));
    }
}
template <class T> INLINE I<T> sign_bits() { return all_bits<T>((typename simd<T>::S)1 << (8 * sizeof(T) - 1)); }
template <class T> INLINE V<T> abs(V<T> v) { return number<T>(bits<T>(v) & ~sign_bits<T>()); }
template <class T> INLINE V<T> with_sign_of(V<T> size, V<T> sign) {
    return number<T>((bits<T>(size) & ~sign_bits<T>()) | (bits<T>(sign) & sign_bits<T>()));
}
template <class T> INLINE V<T> sqrt(V<T> v) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return (V<T>)_mm512_sqrt_ps((__m512)v);
    else return (V<T>)_mm512_sqrt_pd((__m512d)v);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return (V<T>)_mm256_sqrt_ps((__m256)v);
    else return (V<T>)_mm256_sqrt_pd((__m256d)v);
#else
    for (int i = 0; i < N<T>; ++i)
        if constexpr (sizeof(T) == 4) v[i] = __builtin_sqrtf(v[i]);
        else v[i] = __builtin_sqrt(v[i]);
    return v;
#endif
}

// a b + c, rounded once where the instruction set can.  Kernels are compiled with -ffp-contract=off, so nothing is fused
// but where this says so: left to itself a compiler fuses either product of a b + c d, and not the same one in the copy
// of a loop that does the last few numbers, so that bits would follow where a thread's share ends.
template <class T> INLINE V<T> fma(V<T> a, V<T> b, V<T> c) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return (V<T>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
    else return (V<T>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return (V<T>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
    else return (V<T>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
    if constexpr (sizeof(T) == 4) return (V<T>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
    else return (V<T>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}
template <class T> INLINE V<T> fma(T a, V<T> b, V<T> c) { return fma<T>(all<T>(a), b, c); }

// Calls f(index, lanes) for each vector of n numbers: lanes is N but for a shorter last one.
template <class T, class F> INLINE void each_vector(i64 n, F f) {
    i64 i = 0;
    for (; i + N<T> <= n; i += N<T>) f(i, N<T>);
    if (i < n) f(i, (int)(n - i));
}
template <class T> INLINE V<T> load_n(const T* p, int n) { return n == N<T> ? load<T>(p) : load_part<T>(p, n); }
template <class T> INLINE void store_n(T* p, V<T> v, int n) {
    if (n == N<T>) store<T>(p, v);
    else store_part<T>(p, v, n);
}
template <class T, int... i> INLINE I<T> lanes_below(int n, std::integer_sequence<int, i...>) {
    return I<T>{i...} < all_bits<T>(n);
}
template <class T> INLINE I<T> lanes_below(int n) { return lanes_below<T>(n, std::make_integer_sequence<int, N<T>>{}); }

}  // namespace backlit::BACKLIT_ISA
