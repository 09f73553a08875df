// The optimizers of backlit.optim.optimizers, each one pass over theta and its slots; norms; dropout's masks.
#pragma once
#include "activations.hpp"
#include "kernels.hpp"

namespace backlit::BACKLIT_ISA {

// Runs `step(g, theta, s0, s1, s2)`, which changes its arguments, over all parameters.
template <class T, int slots, class F> INLINE void update_all(UpdateJob<T>& out, const UpdateJob<T> job, F step) {
    const bool clips = job.scale != 1 || job.limit < (T)__builtin_inf();
    V<T> top{}, sane{};  // sane stays 0 while theta is finite: x·0 is NaN for the others
    each_vector<T>(job.count, [&](i64 i, int k) INLINE_LAMBDA {
        V<T> g = load_n<T>(job.g + i, k), theta = load_n<T>(job.theta + i, k), s[3]{};
        if (clips) g = clamp<T>(g * job.scale, -job.limit, job.limit);  // [OPT-CLIP1] [OPT-CLIP2]
#pragma GCC unroll 3
        for (int j = 0; j < slots; ++j) s[j] = load_n<T>(job.slot[j] + i, k);
        step(g, theta, s[0], s[1], s[2]);
        if (k < N<T>) {  // lanes without a parameter may hold 0/0
            theta = lanes_below<T>(k) ? theta : V<T>{};
#pragma GCC unroll 3
            for (int j = 0; j < slots; ++j) s[j] = lanes_below<T>(k) ? s[j] : V<T>{};
        }
        sane += theta * (T)0;
        top = max<T>(abs<T>(theta), top);
#pragma GCC unroll 3
        for (int j = 0; j < slots; ++j) top = max<T>(abs<T>(s[j]), top);
        if (job.dry) return;
        store_n<T>(job.theta + i, theta, k);
#pragma GCC unroll 3
        for (int j = 0; j < slots; ++j) store_n<T>(job.slot[j] + i, s[j], k);
    });
    const T check = sum<T>(sane);
    out.largest = largest<T>(top);
    out.finite = check == check && out.largest < (T)__builtin_inf();  // a slot may overflow where theta does not
}

template <class T, int kind, bool extra> INLINE void update_kind(UpdateJob<T>& out) {
    const UpdateJob<T> job = out;  // a copy that no store below can change, so that its numbers stay in registers
    const T lr = job.lr;
    if constexpr (kind == SGD)
        update_all<T, 0>(out, job, [=](auto g, auto& theta, auto&, auto&, auto&) INLINE_LAMBDA {
            theta = fma<T>(job.decay, theta, -lr * g);  // [OPT-SGD1]
        });
    else if constexpr (kind == SGD_MOMENTUM)
        update_all<T, 1>(out, job, [=](auto g, auto& theta, auto& v, auto&, auto&) INLINE_LAMBDA {
            v = fma<T>(job.momentum, v, -lr * g);                     // [OPT-SGD2]
            theta += extra ? fma<T>(job.momentum, v, -lr * g) : v;    // [OPT-SGD3]
        });
    else if constexpr (kind == ADAGRAD)
        update_all<T, 1>(out, job, [=](auto g, auto& theta, auto& s, auto&, auto&) INLINE_LAMBDA {
            s = fma<T>(g, g, s);                                      // [OPT-ADAGRAD1]
            theta -= lr * g / (sqrt<T>(s) + job.eps);                 // [OPT-ADAGRAD2]
        });
    else if constexpr (kind == RMSPROP)
        update_all<T, extra ? 2 : 1>(out, job, [=](auto g, auto& theta, auto& s, auto& v, auto&) INLINE_LAMBDA {
            s = fma<T>(job.beta2, s, (1 - job.beta2) * g * g);        // [OPT-RMSPROP1]
            auto direction = g / (sqrt<T>(s) + job.eps);              // [OPT-RMSPROP2]
            if (extra) v = direction = fma<T>(job.momentum, v, direction);  // [OPT-RMSPROP3]
            theta = fma<T>(-lr, direction, theta);
        });
    else if constexpr (kind == ADAM)
        update_all<T, extra ? 3 : 2>(out, job, [=](auto g, auto& theta, auto& m, auto& v, auto& v_max) INLINE_LAMBDA {
            m = fma<T>(job.beta1, m, (1 - job.beta1) * g);            // [OPT-ADAM1]
            v = fma<T>(job.beta2, v, (1 - job.beta2) * g * g);        // [OPT-ADAM2]
            if (extra) v_max = max<T>(v_max, v);                      // [OPT-AMSGRAD]
            const auto v_hat = (extra ? v_max : v) * job.unbias2;     // [OPT-ADAM3]
            theta = fma<T>(job.decay, theta, -lr * (m * job.unbias1) / (sqrt<T>(v_hat) + job.eps));  // [OPT-ADAM4] [OPT-ADAMW]
        });
    else static_assert(has_no_formula<kind>, "an update rule of names.hpp has no formula here");
}

// backlit.optim.optimizers: theta and the slots (count,) after one step of gradient g (count,).
template <class T, int kind> void update(UpdateJob<T>& job) {
    if (job.option) update_kind<T, kind, true>(job);
    else update_kind<T, kind, false>(job);
}

// Σ g² and max |g| of `count` numbers; NaN and infinity show in the largest.  In parts, so that float sums stay short.
template <class T> INLINE Measured<T> measured(const T* g, i64 count) {
    double total = 0;
    V<T> top{};
    for (i64 first = 0; first < count; first += 4096) {
        V<T> even{}, odd{};
        const i64 n = count - first < 4096 ? count - first : 4096;
        i64 i = 0;
        for (; i + 2 * N<T> <= n; i += 2 * N<T>) {
            const V<T> a = load<T>(g + first + i), b = load<T>(g + first + i + N<T>);
            even = fma<T>(a, a, even), odd = fma<T>(b, b, odd);
            const V<T> larger = max<T>(abs<T>(a), top);  // NaN in `a` is dropped here and shows in the squares
            top = max<T>(abs<T>(b), larger);
        }
        for (; i < n; i += N<T>) {
            const V<T> a = load_n<T>(g + first + i, (int)(n - i < N<T> ? n - i : N<T>));
            even = fma<T>(a, a, even);
            top = max<T>(abs<T>(a), top);
        }
        total += sum_double<T>(even + odd);
    }
    return {total, total == total ? largest<T>(top) : (T)__builtin_nan("")};
}

// The same of each `block` numbers of g (count,), the last of them maybe fewer.
template <class T> void measure(const T* g, i64 count, i64 block, Measured<T>* found) {
    for (i64 first = 0; first < count; first += block)
        *found++ = measured<T>(g + first, count - first < block ? count - first : block);
}

// core.passes [L2] [L2G]: g += λ W, both (count,), and Σ W² of each `block` numbers.
template <class T> void add_l2(T* g, const T* W, T l2, i64 count, i64 block, double* squares) {
    for (i64 start = 0; start < count; start += block) {
        const i64 end = start + block < count ? start + block : count;
        double total = 0;
        for (i64 first = start; first < end; first += 4096) {
            V<T> s{};
            each_vector<T>(end - first < 4096 ? end - first : 4096, [&](i64 i, int k) INLINE_LAMBDA {
                const V<T> w = load_n<T>(W + first + i, k);
                s = fma<T>(w, w, s);
                store_n<T>(g + first + i, fma<T>(l2, w, load_n<T>(g + first + i, k)), k);
            });
            total += sum_double<T>(s);
        }
        *squares++ = total;
    }
}

// Philox4x64-10 (Salmon et al. 2011), the block after counter (block, l, shard, 0), as numpy.random.Philox counts.
static inline void philox(std::uint64_t seed, std::uint64_t step, std::uint64_t block, std::uint64_t l, std::uint64_t shard,
                          std::uint64_t out[4]) {
    std::uint64_t c0 = block + 1, c1 = l, c2 = shard, c3 = 0;
    for (int round = 0; round < 10; ++round) {
        const unsigned __int128 p = (unsigned __int128)0xD2E7470EE14C6C93u * c0, q = (unsigned __int128)0xCA5A826395121157u * c2;
        const std::uint64_t d0 = (std::uint64_t)(q >> 64) ^ c1 ^ seed, d2 = (std::uint64_t)(p >> 64) ^ c3 ^ step;
        c1 = (std::uint64_t)q, c3 = (std::uint64_t)p, c0 = d0, c2 = d2;
        seed += 0x9E3779B97F4A7C15u, step += 0xBB67AE8584CAA73Bu;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

// core.dropout.dropout_mask: words first … first+count−1 of layer l's stream; 1 where word ≥ p·2³².
template <class T>
void draw_mask(unsigned char* kept, std::uint64_t seed, std::uint64_t step, std::uint64_t shard, i64 l, i64 first, i64 count,
               double p) {
    const std::uint64_t least = (std::uint64_t)__builtin_rint(p * 4294967296.0);  // half to even, as Python rounds
    std::uint64_t words[4];
    for (i64 block = first / 8; block * 8 < first + count; ++block) {
        philox(seed, step, (std::uint64_t)block, (std::uint64_t)l, shard, words);
        for (int i = 0; i < 8; ++i) {
            const i64 e = block * 8 + i - first;
            if (e >= 0 && e < count) kept[e] = (words[i / 2] >> (32 * (i % 2)) & 0xffffffffu) >= least;
        }
    }
}

}  // namespace backlit::BACKLIT_ISA
