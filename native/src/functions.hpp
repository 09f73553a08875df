// exp, expm1, log, log1p, tanh, erf and erfc on vectors, each within 4 ulp over the whole range (tests/engine/
// test_functions.py), with the usual values at 0, infinity and NaN, and gradual underflow.
//
// Polynomials by native/tools/fit.py; the logarithm's are fdlibm's (e_log.c, e_logf.c; Sun Microsystems, freely usable).
#pragma once
#include "simd.hpp"

namespace backlit::BACKLIT_ISA {

template <class T> struct coefficients;
template <> struct coefficients<double> {
    static constexpr double exp_tail[] = {
        0.50000000000000010314,    0.1666666666666666746,     0.041666666666623820532, 0.0083333333333300381973,
        0.0013888888917367080562,  0.00019841269863171556026, 0.000024801521057868205199, 2.7557268276905696187e-6,
        2.7620201591031548792e-7,  2.5100472505694996003e-8};
    static constexpr double erf_ratio[] = {
        1.1283791670955125738,     -0.37612638903183748056,   0.11283791670954878666,   -0.026866170645076793248,
        0.0052239776248180144673,  -0.00085483269808337899052, 0.00012055331111642710923, -0.000014925595266831181565,
        1.6461000484121368033e-6,  -1.6350312701054695011e-7, 1.4659775274047435814e-8, -1.137284885679167367e-9,
        5.9571761477489114044e-11};
    static constexpr double erfc_scaled[] = {
        1.237512630837827575, -0.14024059858554695597, 0.00358541548546640861, 0.082276738490142568887,
        -0.10880393014188905155, 0.092304321160534280415, -0.058693398585804100021, 0.02836227741540932213,
        -0.0097465796113503736221, 0.0017556258934303719515, 0.00029371409607008847649, -0.00029015434683872339966,
        0.000051646938481533239003, 0.00002238531085257676061, -0.000011437184601940448399,
        -9.7626571454456561453e-7, 1.7371763592838642549e-6, -5.2975305834164505122e-8, -2.398212986226950475e-7,
        1.9345116508296444883e-8, 2.440038372685547108e-8, -1.8816544890217929691e-9};
    static constexpr double log_tail[] = {6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                                          2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                                          1.479819860511658591e-01};
    static constexpr double magic = 0x1.8p52, log2e = 1.44269504088896340736;
    static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    static constexpr double exp_lowest = -746, exp_highest = 709.782712893384, erfc_zero = 27.3;
    static constexpr std::int64_t low_half = 0x7ffffff;  // 27 bits: what is left squares without rounding
};
template <> struct coefficients<float> {
    static constexpr float exp_tail[] = {0.5f, 0.16666576666119928305f, 0.041666554212984150314f,
                                         0.0083632328836826182041f, 0.0013926250831497611718f};
    static constexpr float erf_ratio[] = {
        1.128379165848350946f,     -0.37612626666720331023f,  0.11283594715160217732f,   -0.026854212010626412443f,
        0.0051890874234339739861f, -0.00080168642871658695293f, 0.000078758750626854883411f};
    static constexpr float erfc_scaled[] = {
        1.2375126194671446979f, -0.14024078921335794686f, 0.0035869267654614605769f, 0.082285057640841223918f,
        -0.10883290909581624466f, 0.092196134018460313054f, -0.058529468622805128542f, 0.028932033873300769327f,
        -0.0099582118455905602199f, 0.00063910663202287573813f};
    static constexpr float log_tail[] = {0.66666662693f, 0.40000972152f, 0.28498786688f, 0.24279078841f};
    static constexpr float magic = 0x1.8p23f, log2e = 1.44269504f;
    static constexpr float ln2_high = 6.9313812256e-01f, ln2_low = 9.0580006145e-06f;
    static constexpr float exp_lowest = -104, exp_highest = 88.72283f, erfc_zero = 10.1f;
    static constexpr std::int32_t low_half = 0xfff;
};

template <class T, int n> INLINE V<T> polynomial(V<T> x, const T (&c)[n]) {
    V<T> p = all<T>(c[n - 1]);
#pragma GCC unroll 20
    for (int i = n - 2; i >= 0; --i) p = fma<T>(p, x, all<T>(c[i]));
    return p;
}

// x = k ln 2 + r with |r| ≤ ½ ln 2; returns e^r − 1, and 2^k as two factors so that both ends of the range are reached.
template <class T> INLINE V<T> exp_reduced(V<T> x, V<T>& half_scale, V<T>& rest_scale) {
    using c = coefficients<T>;
    const V<T> shifted = fma<T>(c::log2e, x, all<T>(c::magic));
    const V<T> k = shifted - c::magic;
    const V<T> r = fma<T>(-c::ln2_low, k, fma<T>(-c::ln2_high, k, x));
    const I<T> whole = bits<T>(shifted) - bits<T>(all<T>(c::magic));
    const I<T> half = whole >> 1;
    half_scale = number<T>((half + simd<T>::bias) << simd<T>::mantissa);
    rest_scale = number<T>((whole - half + simd<T>::bias) << simd<T>::mantissa);
    return fma<T>(r * r, polynomial<T>(r, c::exp_tail), r);
}

template <class T> INLINE V<T> clamp(V<T> x, T low, T high) {  // NaN stays NaN
    x = x < low ? all<T>(low) : x;
    return x > high ? all<T>(high) : x;
}

template <class T> INLINE V<T> exp(V<T> x) {
    using c = coefficients<T>;
    V<T> h, s;
    const V<T> p = exp_reduced<T>(clamp<T>(x, c::exp_lowest, c::exp_highest), h, s);
    const V<T> e = (1 + p) * h * s;
    return x > c::exp_highest ? all<T>((T)__builtin_inf()) : e;
}

template <class T> INLINE V<T> expm1(V<T> x) {
    using c = coefficients<T>;
    V<T> h, s;
    const V<T> p = exp_reduced<T>(clamp<T>(x, (T)-100, c::exp_highest), h, s);
    const V<T> e = fma<T>(p * h, s, fma<T>(h, s, all<T>(-1)));
    const V<T> large = (p + 1) * h * s;  // h·s alone may overflow where the product does not
    const V<T> either = x > 60 ? large : e;
    return x > c::exp_highest ? all<T>((T)__builtin_inf()) : either;
}

template <class T> INLINE V<T> log(V<T> x) {
    using c = coefficients<T>;
    using S = typename simd<T>::S;
    constexpr int width = simd<T>::mantissa;
    const I<T> denormal = x < simd<T>::tiny;
    const V<T> scaled = denormal ? x * (T)((S)1 << (width + 1)) : x;
    const I<T> offset = all_bits<T>((sizeof(T) == 4 ? (S)0x3f3504f3 : (S)0x3fe6a09e667f3bcd));  // √½
    const I<T> b = (bits<T>(scaled) & ~sign_bits<T>()) - offset;  // no sign: then nothing overflows where x < 0
    const I<T> k = b >> width;
    const V<T> m = number<T>((b & (((S)1 << width) - 1)) + offset);  // √½ ≤ m < √2
    V<T> kf = number<T>(k + bits<T>(all<T>(c::magic))) - c::magic;
    kf = denormal ? kf - (T)(width + 1) : kf;
    const V<T> f = m - 1, s = f / (2 + f), z = s * s, hfsq = f * f * (T)0.5;
    const V<T> R = z * polynomial<T>(z, c::log_tail);
    V<T> y = fma<T>(c::ln2_high, kf, f - (hfsq - fma<T>(s, hfsq + R, kf * c::ln2_low)));
    y = x == (T)__builtin_inf() ? x : y;
    y = x == 0 ? all<T>(-(T)__builtin_inf()) : y;
    return !(x >= 0) ? x * (T)__builtin_nan("") : y;
}

template <class T> INLINE V<T> log1p(V<T> x) {
    const V<T> u = 1 + x;
    const V<T> lost = (x - (u - 1)) / u;  // what rounding took from 1 + x, to first order
    const V<T> y = log<T>(u);
    const V<T> z = ((u > 0) & (u < (T)__builtin_inf())) ? y + lost : y;
    return x == 0 ? x : z;
}

template <class T> INLINE V<T> tanh(V<T> x) {
    const V<T> e = expm1<T>(2 * min<T>(all<T>(20), abs<T>(x)));  // min gives its second where x is NaN
    return with_sign_of<T>(e / (e + 2), x);
}

template <class T> INLINE V<T> erf_small(V<T> x) {  // |x| ≤ 1
    return x * polynomial<T>(x * x, coefficients<T>::erf_ratio);
}

template <class T> INLINE V<T> erfc_large(V<T> x) {  // x ≥ 0.45
    using c = coefficients<T>;
    x = x > c::erfc_zero ? all<T>(c::erfc_zero) : x;
    const V<T> t = (x - (T)3.75) / (x + (T)3.75);
    const V<T> scaled = polynomial<T>(t, c::erfc_scaled) / (1 + 2 * x);
    const V<T> head = number<T>(bits<T>(x) & ~all_bits<T>(c::low_half));  // its square is exact
    const V<T> d = (head - x) * (head + x);
    static constexpr T exp_series[] = {1, 1, (T)0.5, (T)(1 / 6.0), (T)(1 / 24.0)};
    const V<T> correction = polynomial<T>(d, exp_series);
    return exp<T>(-head * head) * (correction * scaled);
}

template <class T> INLINE V<T> erf(V<T> x) {
    const V<T> size = abs<T>(x);
    const V<T> y = size < 1 ? erf_small<T>(size) : 1 - erfc_large<T>(size);
    return with_sign_of<T>(y, x);
}

template <class T> INLINE V<T> erfc(V<T> x) {
    const V<T> size = abs<T>(x), tail = erfc_large<T>(size);
    const V<T> outer = x < 0 ? 2 - tail : tail;
    return x < (T)0.5 ? (size < 1 ? 1 - erf_small<T>(x) : outer) : outer;
}

}  // namespace backlit::BACKLIT_ISA
