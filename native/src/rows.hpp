// What needs whole rows or columns: softmax, layer and batch normalization, sums over the batch.
#pragma once
#include "activations.hpp"
#include "kernels.hpp"

namespace backlit::BACKLIT_ISA {

// Rows order[0 … count−1] of X (·, n) into `to` (count, n), each row asked for while the one before is copied; then the
// first lines of the `ahead` rows that come `m` later are asked for, so that they are in the cache when their batch comes.
template <class T>
void gather(const T* X, const T* Y, const i64* order, i64 count, i64 n, i64 n_y, const i64* next, i64 ahead, T* to) {
    constexpr i64 line = 64 / sizeof(T);
    for (i64 row = 0; row < count; ++row, to += n) {
        const T* from = X + order[row] * n;
        if (n <= 4 * N<T>) {
            each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA { store_n<T>(to + j, load_n<T>(from + j, k), k); });
            continue;
        }
        if (row + 1 < count)
            for (i64 j = 0; j < n; j += line) __builtin_prefetch(X + order[row + 1] * n + j);
        __builtin_memcpy(to, from, sizeof(T) * n);
    }
    for (i64 row = 0; row < ahead; ++row) {
        __builtin_prefetch(X + next[row] * n);
        __builtin_prefetch(Y + next[row] * n_y);
    }
}

// core.activations.softmax: p (m, n) from scores u (m, n), or from u = z + bias (n,); u and p may be one buffer.
template <class T> void softmax(const T* u, T* p, const T* bias, i64 m, i64 n) {
    for (i64 row = 0; row < m; ++row, u += n, p += n) {
        V<T> top = all<T>(-(T)__builtin_inf()), total{};
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            const V<T> v = load_n<T>(u + j, k) + (bias ? load_n<T>(bias + j, k) : V<T>{});
            store_n<T>(p + j, v, k);
            top = (lanes_below<T>(k) & !(v <= top)) ? v : top;  // NaN gets through
        });
        const T shift = largest<T>(top);
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            const V<T> e = exp<T>(load_n<T>(p + j, k) - shift);
            total += lanes_below<T>(k) ? e : V<T>{};
            store_n<T>(p + j, e, k);
        });
        const T s = sum<T>(total);
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA { store_n<T>(p + j, load_n<T>(p + j, k) / s, k); });
    }
}

// core.activations.softmax_pull_back [BP2S]: grad_u = p ⊙ (g − Σ g p), in place of g (m, n); p (m, n).
template <class T> void softmax_pull_back(T* g, const T* p, i64 m, i64 n) {
    for (i64 row = 0; row < m; ++row, g += n, p += n) {
        V<T> dot{};
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA { dot = fma<T>(load_n<T>(g + j, k), load_n<T>(p + j, k), dot); });
        const T s = sum<T>(dot);
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            store_n<T>(g + j, load_n<T>(p + j, k) * (load_n<T>(g + j, k) - s), k);
        });
    }
}

// core.norms [LN1] [LN2] [LN3]: x̂ in place of z (m, n), inverse_std (m,); then u (m, n) = γ x̂ + β [LN4].
template <class T> void layer_norm(const NormJob<T>& job) {
    const i64 n = job.n;
    T *z = job.z, *u = job.u;
    for (i64 row = 0; row < job.m; ++row, z += n, u += n) {
        V<T> s{}, q{};
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA { s += load_n<T>(z + j, k); });
        const T mean = sum<T>(s) / (T)n;
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            const V<T> d = lanes_below<T>(k) ? load_n<T>(z + j, k) - mean : V<T>{};
            q = fma<T>(d, d, q);
        });
        const T var = sum<T>(q) / (T)n;
        const T inverse = 1 / sqrt<T>(all<T>(var + job.eps))[0];
        if (job.inverse_std) job.inverse_std[row] = inverse;
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            const V<T> x = (load_n<T>(z + j, k) - mean) * inverse;
            store_n<T>(z + j, x, k);
            store_n<T>(u + j, fma<T>(load_n<T>(job.gamma + j, k), x, load_n<T>(job.beta + j, k)), k);
        });
    }
}

// core.norms.pull_back [LN5] [LN6]: δ in place of x̂ (m, n); reads grad_u (m, n), inverse_std (m,), gamma (n,).
template <class T> void layer_norm_back(const NormJob<T>& job) {
    const i64 n = job.n;
    const T *grad_u = job.grad_u, *gamma = job.gamma;
    T* x = job.z;
    for (i64 row = 0; row < job.m; ++row, grad_u += n, x += n) {
        V<T> s{}, q{};
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            const V<T> g = load_n<T>(gamma + j, k) * load_n<T>(grad_u + j, k);
            s += g;
            q = fma<T>(g, load_n<T>(x + j, k), q);
        });
        const T mean = sum<T>(s) / (T)n, along = sum<T>(q) / (T)n, inverse = job.inverse_std[row];
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            const V<T> g = load_n<T>(gamma + j, k) * load_n<T>(grad_u + j, k);
            store_n<T>(x + j, inverse * fma<T>(-along, load_n<T>(x + j, k), g - mean), k);
        });
    }
}

// core.norms [LN7] [LN8] of each `block` rows: Σ grad_u x̂ and Σ grad_u into grad_gamma (⌈m/block⌉, 2, n), from grad_u and
// x̂ in z (m, n).
template <class T> void layer_norm_sums(const NormJob<T>& job) {
    const i64 n = job.n;
    T* sums = job.grad_gamma;
    for (i64 first = 0; first < job.m; first += job.block, sums += 2 * n) {
        const i64 last = first + job.block < job.m ? first + job.block : job.m;
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            V<T> s{}, q{};
            for (i64 i = first; i < last; ++i) {
                const V<T> g = load_n<T>(job.grad_u + i * n + j, k);
                s += g;
                q = fma<T>(g, load_n<T>(job.z + i * n + j, k), q);
            }
            store_n<T>(sums + j, q, k);
            store_n<T>(sums + n + j, s, k);
        });
    }
}

// core.norms [BN1] [BN2] [BN3] for columns first … last−1: x̂ in place of z (m, n); mean, variance, inverse_std (n,).
template <class T> void batch_norm(const NormJob<T>& job) {
    const i64 m = job.m, n = job.n;
    each_vector<T>(job.last - job.first, [&](i64 j0, int k) INLINE_LAMBDA {
        const i64 j = job.first + j0;
        T* z = job.z + j;
        V<T> s{}, q{};
        for (i64 i = 0; i < m; ++i) s += load_n<T>(z + i * n, k);
        const V<T> mu = s / (T)m;
        for (i64 i = 0; i < m; ++i) {
            const V<T> d = load_n<T>(z + i * n, k) - mu;
            q = fma<T>(d, d, q);
        }
        const V<T> var = q / (T)m, inverse = 1 / sqrt<T>(var + job.eps);
        store_n<T>(job.mean + j, mu, k);
        store_n<T>(job.variance + j, var, k);
        store_n<T>(job.inverse_std + j, inverse, k);
        for (i64 i = 0; i < m; ++i) store_n<T>(z + i * n, (load_n<T>(z + i * n, k) - mu) * inverse, k);
    });
}

// core.norms.pull_back [BN7] [BN8] for columns first … last−1: δ in place of x̂ (m, n), from grad_u (m, n);
// and [BN9] [BN10]: grad_gamma, grad_beta (n,), Σ over the batch of grad_u x̂ and of grad_u.
template <class T> void batch_norm_back(const NormJob<T>& job) {
    const i64 m = job.m, n = job.n;
    each_vector<T>(job.last - job.first, [&](i64 j0, int k) INLINE_LAMBDA {
        const i64 j = job.first + j0;
        const T* grad_u = job.grad_u + j;
        T* x = job.z + j;
        V<T> s{}, q{};
        for (i64 i = 0; i < m; ++i) {
            const V<T> g = load_n<T>(grad_u + i * n, k);
            s += g;
            q = fma<T>(g, load_n<T>(x + i * n, k), q);
        }
        store_n<T>(job.grad_beta + j, s, k);
        store_n<T>(job.grad_gamma + j, q, k);
        const V<T> scale = load_n<T>(job.inverse_std + j, k) * load_n<T>(job.gamma + j, k);
        const V<T> mean = s / (T)m, along = -q / (T)m;
        for (i64 i = 0; i < m; ++i)
            store_n<T>(x + i * n, scale * fma<T>(along, load_n<T>(x + i * n, k), load_n<T>(grad_u + i * n, k) - mean), k);
    });
}

// core.norms with given moments [BN3], and [BN4] [LN4] alone: u = γ (z − mean)·inverse_std + β; mean null: u = γ z + β.
// z, u (m, n); mean, variance, gamma, beta (n,).
template <class T> void scale_and_shift(const NormJob<T>& job) {
    const i64 n = job.n;
    const T* z = job.z;
    T* u = job.u;
    for (i64 row = 0; row < job.m; ++row, z += n, u += n)
        each_vector<T>(n, [&](i64 j, int k) INLINE_LAMBDA {
            V<T> x = load_n<T>(z + j, k);
            if (job.mean) x = (x - load_n<T>(job.mean + j, k)) * (1 / sqrt<T>(load_n<T>(job.variance + j, k) + job.eps));
            store_n<T>(u + j, fma<T>(load_n<T>(job.gamma + j, k), x, load_n<T>(job.beta + j, k)), k);
        });
}

// core.passes [BP3]: Σ over the rows of d (m, n) into s (n,), for columns first … last−1.
template <class T> void column_sums(const T* d, T* s, i64 m, i64 n, i64 first, i64 last) {
    each_vector<T>(last - first, [&](i64 j, int k) INLINE_LAMBDA {
        V<T> even{}, odd{};
        const T* p = d + first + j;
        i64 i = 0;
        for (; i + 2 <= m; i += 2) {
            even += load_n<T>(p + i * n, k);
            odd += load_n<T>(p + i * n + n, k);
        }
        if (i < m) even += load_n<T>(p + i * n, k);
        store_n<T>(s + first + j, even + odd, k);
    });
}

// core.passes [DO1] [DO2]: a ⊙ mask in place; kept (count,) is 1 where a unit is kept.
template <class T> void apply_mask(T* a, const unsigned char* kept, T scale, i64 count) {
    for (i64 i = 0; i < count; ++i) a[i] *= kept[i] ? scale : (T)0;
}

// core.passes [SK1] [SK2]: a += s · b; or a = s · b.
template <class T> void add_scaled(T* a, const T* b, T s, bool add, i64 count) {
    each_vector<T>(count, [&](i64 i, int k) INLINE_LAMBDA {
        const V<T> v = load_n<T>(b + i, k);
        store_n<T>(a + i, add ? fma<T>(s, v, load_n<T>(a + i, k)) : s * v, k);
    });
}

}  // namespace backlit::BACKLIT_ISA
