// The activations of backlit.core.activations: f is φ(u), slope is φ'(u), on vectors.
#pragma once
#include "functions.hpp"
#include "names.hpp"

namespace backlit::BACKLIT_ISA {

template <int id> constexpr bool has_no_formula = id < 0;  // false, but only once `id` is known

template <class T> INLINE V<T> sigmoid(V<T> u) {
    const V<T> e = exp<T>(-abs<T>(u));
    return (u < 0 ? e : all<T>(1)) / (1 + e);
}
template <class T> INLINE V<T> positive(V<T> u) { return u <= 0 ? V<T>{} : u; }
template <class T> INLINE V<T> negative(V<T> u) { return u < 0 ? u : V<T>{}; }
template <class T> INLINE V<T> softplus(V<T> u) { return positive<T>(u) + log1p<T>(exp<T>(-abs<T>(u))); }
template <class T> INLINE V<T> normal_cdf(V<T> u) { return (T)0.5 * erfc<T>(u * (T)-0.70710678118654752440); }

constexpr double selu_scale = 1.0507009873554804934193349852946, selu_alpha = 1.6732632423543772848170429916717;

template <class T, int phi> INLINE V<T> f(V<T> u, T alpha) {
    if constexpr (phi == IDENTITY) return u;
    else if constexpr (phi == SIGMOID) return sigmoid<T>(u);
    else if constexpr (phi == TANH) return tanh<T>(u);
    else if constexpr (phi == RELU) return positive<T>(u);
    else if constexpr (phi == LEAKY_RELU) return u <= 0 ? alpha * u : u;
    else if constexpr (phi == ELU)
        return fma<T>(alpha, expm1<T>(u < 0 ? u : (u > 0 ? V<T>{} : u)), positive<T>(u));
    else if constexpr (phi == SELU) {
        const V<T> low = u > 0 ? V<T>{} : u;
        return (T)selu_scale * fma<T>((T)selu_alpha, expm1<T>(low), positive<T>(u));
    } else if constexpr (phi == GELU) return u * normal_cdf<T>(u);
    else if constexpr (phi == SILU) return u * sigmoid<T>(u);
    else if constexpr (phi == SOFTPLUS) return softplus<T>(u);
    else if constexpr (phi == MISH) return u * tanh<T>(softplus<T>(u));
    else if constexpr (phi == HARD_TANH) return clamp<T>(u, (T)-1, (T)1);
    else if constexpr (phi == SOFTSIGN) return u / (1 + abs<T>(u));
    else if constexpr (phi == EXP) return exp<T>(u);
    else static_assert(has_no_formula<phi>, "an activation of names.hpp has no formula here");
}

template <class T, int phi> INLINE V<T> slope(V<T> u, T alpha) {
    const V<T> one = all<T>(1);
    if constexpr (phi == IDENTITY) return one;
    else if constexpr (phi == SIGMOID) {
        const V<T> e = exp<T>(-abs<T>(u));
        return e / ((1 + e) * (1 + e));
    } else if constexpr (phi == TANH) {
        const V<T> e = exp<T>(-2 * abs<T>(u));
        return 4 * e / ((1 + e) * (1 + e));
    } else if constexpr (phi == RELU) return u > 0 ? one : V<T>{};
    else if constexpr (phi == LEAKY_RELU) return u > 0 ? one : all<T>(alpha);
    else if constexpr (phi == ELU) return u > 0 ? one : alpha * exp<T>(u > 0 ? V<T>{} : u);
    else if constexpr (phi == SELU)
        return (T)selu_scale * (u > 0 ? one : (T)selu_alpha * exp<T>(u > 0 ? V<T>{} : u));
    else if constexpr (phi == GELU)
        return fma<T>(u, exp<T>((T)-0.5 * u * u) * (T)0.39894228040143267794, normal_cdf<T>(u));
    else if constexpr (phi == SILU) return sigmoid<T>(u) * fma<T>(u, sigmoid<T>(-u), one);
    else if constexpr (phi == SOFTPLUS) return sigmoid<T>(u);
    else if constexpr (phi == MISH) {
        const V<T> s = softplus<T>(u), e = exp<T>(-2 * s);
        return fma<T>(u * (4 * e / ((1 + e) * (1 + e))), sigmoid<T>(u), tanh<T>(s));
    } else if constexpr (phi == HARD_TANH) return abs<T>(u) < 1 ? one : V<T>{};
    else if constexpr (phi == SOFTSIGN) {
        const V<T> d = 1 + abs<T>(u);
        return 1 / (d * d);
    } else if constexpr (phi == EXP) return exp<T>(u);
    else static_assert(has_no_formula<phi>, "an activation of names.hpp has no slope here");
}

// core.passes [F2]: a = φ(u) (m, n), where u (m, n) holds z and, if bias (n,) is given, u ← z + b first [F1].
// u and a may be one buffer: then only a is kept.
template <class T, int phi> void activate(T* u, T* a, const T* bias, i64 m, i64 n, T alpha) {
    if (!bias) {
        if (phi == IDENTITY && u == a) return;
        each_vector<T>(m * n, [&](i64 i, int k) INLINE_LAMBDA { store_n<T>(a + i, f<T, phi>(load_n<T>(u + i, k), alpha), k); });
        return;
    }
    for (i64 row = 0; row < m; ++row, u += n, a += n)
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            const V<T> v = load_n<T>(u + j, k) + load_n<T>(bias + j, k);
            if (u != a) store_n<T>(u + j, v, k);
            store_n<T>(a + j, f<T, phi>(v, alpha), k);
        });
}

// core.passes [BP2]: grad_u = grad_h ⊙ φ'(u), `count` numbers; the result may take the place of either.
template <class T, int phi> void pull_back(T* grad_u, const T* grad_h, const T* u, i64 count, T alpha) {
    if (phi == IDENTITY && grad_u == grad_h) return;
    each_vector<T>(count, [&](i64 i, int k) INLINE_LAMBDA {
        store_n<T>(grad_u + i, load_n<T>(grad_h + i, k) * slope<T, phi>(load_n<T>(u + i, k), alpha), k);
    });
}

}  // namespace backlit::BACKLIT_ISA
