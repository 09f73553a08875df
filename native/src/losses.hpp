// The losses of backlit.core.losses: value and gradient of each output, and the short forms, on vectors.
#pragma once
#include "activations.hpp"
#include "kernels.hpp"

namespace backlit::BACKLIT_ISA {

constexpr int few_outputs = 16;

template <class T> INLINE V<T> clipped(V<T> a) { return a < simd<T>::tiny ? all<T>(simd<T>::tiny) : a; }
template <class T> INLINE V<T> log_slope(V<T> a) { return a < simd<T>::tiny ? V<T>{} : 1 / clipped<T>(a); }
template <class T> INLINE V<T> sign(V<T> r) {
    const V<T> s = r > 0 ? all<T>(1) : (r < 0 ? all<T>(-1) : V<T>{});
    return r == r ? s : r;
}

// One output: a is a_L (a short form: the scores u), y the target, n the number of outputs.
// core.losses [BP1]: returns ∂ℓ/∂a (a short form: ∂ℓ/∂u = p − y [BP1S]) and sets `value` to the output's part of ℓ.
template <class T, int kind> INLINE V<T> loss(V<T> a, V<T> y, T parameter, T n, V<T>& value) {
    const V<T> r = a - y;
    if constexpr (kind == HALF_SQUARED_ERROR || kind == SHORT_IDENTITY) {
        value = r * r * (T)0.5;
        return r;
    } else if constexpr (kind == SQUARED_ERROR) {
        value = r * r;
        return 2 * r;
    } else if constexpr (kind == MEAN_SQUARED_ERROR) {
        value = r * r / n;
        return 2 * r / n;
    } else if constexpr (kind == ABSOLUTE_ERROR) {
        value = abs<T>(r);
        return sign<T>(r);
    } else if constexpr (kind == HUBER) {
        const V<T> s = abs<T>(r);
        value = s <= parameter ? s * s * (T)0.5 : parameter * (s - parameter / 2);
        return clamp<T>(r, -parameter, parameter);
    } else if constexpr (kind == QUANTILE) {
        value = r > 0 ? (1 - parameter) * r : -parameter * r;
        return a > y ? all<T>(1 - parameter) : (a < y ? all<T>(-parameter) : V<T>{});
    } else if constexpr (kind == CROSS_ENTROPY) {
        value = -(y * log<T>(clipped<T>(a)));
        return -(y * log_slope<T>(a));
    } else if constexpr (kind == BINARY_CROSS_ENTROPY) {
        value = -(y * log<T>(clipped<T>(a)) + (1 - y) * log<T>(clipped<T>(1 - a)));
        return (1 - y) * log_slope<T>(1 - a) - y * log_slope<T>(a);
    } else if constexpr (kind == POISSON) {
        value = a - y * log<T>(clipped<T>(a));
        return 1 - y * log_slope<T>(a);
    } else if constexpr (kind == SHORT_SIGMOID) {
        const V<T> e = exp<T>(-abs<T>(a));
        value = positive<T>(a) + log1p<T>(e) - y * a;
        return (a < 0 ? e : all<T>(1)) / (1 + e) - y;
    } else if constexpr (kind == SHORT_EXP) {
        const V<T> e = exp<T>(a);
        value = e - y * a;
        return e - y;
    } else static_assert(has_no_formula<kind>, "a loss of names.hpp has no formula here");
}

// Whether an output lies where the loss is not defined (core.targets.check_outputs).
template <class T, int kind> INLINE I<T> outside(V<T> a) {
    if constexpr (kind == CROSS_ENTROPY || kind == POISSON) return a < 0;
    if constexpr (kind == BINARY_CROSS_ENTROPY) return (a < 0) | (a > 1);
    return I<T>{};
}

// N examples at once, one a lane: for few outputs, `fixed` of them or, where that is 0, job.n.
template <class T, int kind, int fixed> void losses_by_lane(LossJob<T>& job) {
    constexpr int most = fixed ? fixed : few_outputs;
    T a[most * N<T>], y[most * N<T>], w[N<T>];
    const i64 n = fixed ? fixed : job.n;
    I<T> wrong{};
    for (i64 first = 0; first < job.m; first += N<T>) {
        const int rows = (int)(job.m - first < N<T> ? job.m - first : N<T>);
        for (int i = 0; i < N<T>; ++i) {  // lanes without an example repeat the last one, with share 0
            const i64 row = first + (i < rows ? i : rows - 1);
            const T *from = job.a + row * n, *target = job.target(row);
            w[i] = i < rows ? job.share[row] : (T)0;
            for (i64 j = 0; j < n; ++j) a[j * N<T> + i] = from[j], y[j * N<T> + i] = target[j];
        }
        const V<T> share = load<T>(w);
        V<T> l{};
        if constexpr (kind == SHORT_SOFTMAX) {
            V<T> top = load<T>(a), s{}, dot{};
            for (i64 j = 1; j < n; ++j) {
                const V<T> v = load<T>(a + j * N<T>);
                top = !(v <= top) ? v : top;
            }
            for (i64 j = 0; j < n; ++j) {
                const V<T> v = load<T>(a + j * N<T>) - top, e = exp<T>(v);
                s += e;
                const V<T> t = load<T>(y + j * N<T>);
                dot += t * v;
                l += t;
                store<T>(a + j * N<T>, e);
            }
            l = l * log<T>(s) - dot;  // −Σ y (v − ln Σ e^v)
            for (i64 j = 0; j < n; ++j)
                store<T>(a + j * N<T>, share * (load<T>(a + j * N<T>) / s - load<T>(y + j * N<T>)));
        } else {
            for (i64 j = 0; j < n; ++j) {
                const V<T> v = load<T>(a + j * N<T>);
                V<T> part;
                wrong |= outside<T, kind>(v);
                store<T>(a + j * N<T>, share * loss<T, kind>(v, load<T>(y + j * N<T>), job.parameter, (T)n, part));
                l += part;
            }
        }
        store<T>(w, share * l);
        for (int i = 0; i < rows; ++i) {
            job.loss[first + i] = w[i];
            for (i64 j = 0; j < n; ++j) job.a[(first + i) * n + j] = a[j * N<T> + i];
        }
    }
    job.outside |= any<T>(wrong);
}

// One example after the other, along its outputs: for many of them.
template <class T, int kind> void losses_by_row(LossJob<T>& job) {
    const i64 n = job.n;
    I<T> wrong{};
    for (i64 row = 0; row < job.m; ++row) {
        T* a = job.a + row * n;
        const T *y = job.target(row), share = job.share[row];
        V<T> l{};
        if constexpr (kind == SHORT_SOFTMAX) {
            V<T> top = all<T>(-(T)__builtin_inf()), s{}, dot{};
            each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
                const V<T> v = load_n<T>(a + j, k);
                top = (lanes_below<T>(k) & !(v <= top)) ? v : top;
            });
            const T shift = largest<T>(top);
            each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
                const V<T> v = load_n<T>(a + j, k) - shift, e = exp<T>(v), t = load_n<T>(y + j, k);
                s += lanes_below<T>(k) ? e : V<T>{};
                dot += t * v;  // t is 0 beyond the row's end
                l += t;
                store_n<T>(a + j, e, k);
            });
            const T total_e = sum<T>(s);
            job.loss[row] = (double)share * (sum_double<T>(l) * (double)log<T>(all<T>(total_e))[0] - sum_double<T>(dot));
            each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
                store_n<T>(a + j, share * (load_n<T>(a + j, k) / total_e - load_n<T>(y + j, k)), k);
            });
        } else {
            each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
                const V<T> v = load_n<T>(a + j, k);
                V<T> part;
                const V<T> g = loss<T, kind>(v, load_n<T>(y + j, k), job.parameter, (T)n, part);
                wrong |= outside<T, kind>(v) & lanes_below<T>(k);
                l += lanes_below<T>(k) ? part : V<T>{};
                store_n<T>(a + j, share * g, k);
            });
            job.loss[row] = (double)share * sum_double<T>(l);
        }
    }
    job.outside |= any<T>(wrong);
}

// core.losses [BP1] [BP1S]: a (m, n) becomes the slopes times each row's share; loss (m,) becomes share_i ℓ_i.
template <class T, int kind> void losses(LossJob<T>& job) {
    if (job.n == 1) return losses_by_lane<T, kind, 1>(job);
    if (job.n == 2) return losses_by_lane<T, kind, 2>(job);
    return job.n <= few_outputs ? losses_by_lane<T, kind, 0>(job) : losses_by_row<T, kind>(job);
}

}  // namespace backlit::BACKLIT_ISA
