// One batch through the network and back, by a team: the steps of core.passes on the buffers of a Plan.
//
// Rows of the batch are split over the threads; a row never needs another thread's, so the passes need no barrier but
// where batch norm mixes the rows, or where a product is split over columns.  Gradients are split over the units of
// all layers: every number of theta has one thread that computes its gradient and updates it.
#pragma once
#include <cstring>

#include "blas.hpp"
#include "kernels.hpp"
#include "plan.hpp"
#include "team.hpp"

namespace backlit {

template <class T> struct Batch {
    const T *X, *Y;              // all examples
    const T* weight;             // (examples,) or null
    const i64* order;            // the batch's rows of X; null: rows 0 … m−1
    i64 m;
    bool train;                  // batch norm by the batch's own moments, not by the running ones
    bool dropout = false;
    std::uint64_t seed = 0, step = 0;
};

template <class T> struct Running {
    std::vector<T*> mean, variance;  // by layer, [l − 1], null where the layer has no batch norm
};

template <class T> class Network {
  public:
    Network(const Plan& plan, const Kernels<T>& kernels, Blas<T> blas, unsigned char* workspace)
        : plan(plan), k(kernels), blas(blas), workspace(workspace), barrier(plan.threads) {}

    const Plan& plan;
    const Kernels<T>& k;
    const Blas<T> blas;
    unsigned char* const workspace;
    Barrier barrier;
    const T* theta = nullptr;
    const Running<T>* running = nullptr;

    T* at(i64 offset) const { return offset < 0 ? nullptr : reinterpret_cast<T*>(workspace + offset); }
    int L() const { return (int)plan.layers.size(); }
    const LayerPlan& layer(int l) const { return plan.layers[l - 1]; }
    Share rows(i64 m, int t) const { return Share(m, t, plan.threads); }

    // ∂C/∂a_l for the rows of thread t, whose first is `first`.
    T* grad_a(int l, int t, i64 first) const {
        const LayerPlan& q = layer(l);
        return q.grad_a >= 0 ? at(q.grad_a) + first * q.n : scratch(plan.scratch_g, t);
    }
    T* scratch(i64 offset, int t) const {
        return at(offset) + (plan.m + plan.threads - 1) / plan.threads * plan.widest * t;
    }
    T* panel(int t) const { return at(plan.panel) + plan.panel_numbers * t; }

    // a_l, all rows of the batch.
    const T* activation(int l, const Batch<T>& batch) const {
        if (l > 0) return at(layer(l).a);
        return batch.order ? at(plan.input) : batch.X;
    }

    void gather(const Batch<T>& batch, Share r) const {
        if (!batch.order) return;
        T* to = at(plan.input) + r.first * plan.n_0;
        for (i64 i = r.first; i < r.last; ++i, to += plan.n_0)
            std::memcpy(to, batch.X + batch.order[i] * plan.n_0, sizeof(T) * plan.n_0);
    }

    // Wᵀ of units first … last−1 of layer l into panels.
    void pack(int l, i64 first, i64 last) const {
        const LayerPlan& q = layer(l);
        if (q.packed >= 0) k.pack_transposed(theta + q.W, q.n, q.n_in, first, last, at(q.packed));
    }

    // core.passes.forward for the rows of thread t.  `scores`: leave u in place of a_L for a loss in short form.
    void forward(const Batch<T>& batch, int t, bool scores) {
        const Share r = rows(batch.m, t);
        for (int l = 1; l <= L(); ++l) {
            const LayerPlan& q = layer(l);
            const i64 m = r.count(), n = q.n, from = r.first * n;
            T *z = at(q.z) + from, *a = at(q.a) + from;
            weighted_sums(l, batch, t);
            const T* bias = q.own_forward ? nullptr : theta + q.b;  // our own product has added it
            const bool keep_scores = scores && l == L();
            const int phi = keep_scores ? 0 : q.phi;
            if (q.norm) {
                k.activate[0](z, z, bias, m, n, 0);
                normalize(l, batch, t);
                activate(phi, a, a, nullptr, m, n, q.alpha);
            } else {
                activate(phi, z, a, bias, m, n, q.alpha);  // [F2]
            }
            if (batch.dropout && q.kept >= 0) {  // [DO1]
                unsigned char* kept = workspace + q.kept + from;
                k.draw_mask(kept, batch.seed, batch.step, l, from, m * n, q.dropout);
                k.apply_mask(a, kept, (T)(1 / (1 - q.dropout)), m * n);
            }
            if (q.skip_from >= 0)  // [SK1]
                k.add_scaled(a, activation((int)q.skip_from, batch) + from, (T)q.skip_scale, true, m * n);
        }
    }

    // Slopes of the loss at the output, times each row's share, for the rows of thread t; returns Σ share_i ℓ_i.
    double output_slopes(const Batch<T>& batch, int t, bool* outside) {
        const Share r = rows(batch.m, t);
        const LayerPlan& q = layer(L());
        T* a = at(q.a) + r.first * q.n;
        T* g = plan.short_form ? a : grad_a(L(), t, r.first);
        if (!plan.short_form) std::memcpy(g, a, sizeof(T) * r.count() * q.n);
        LossJob<T> job{g, batch.order ? batch.Y : batch.Y + r.first * q.n, batch.order ? batch.order + r.first : nullptr,
                       at(plan.share) + r.first, r.count(), q.n, (T)plan.loss_parameter, false};
        const double loss = k.losses[plan.loss](job);  // [BP1] [BP1S] [C1]
        *outside = job.outside;
        return loss;
    }

    // core.passes.backward down to δ of layer 1, for the rows of thread t; `grad` takes batch norm's gamma and beta.
    void backward(const Batch<T>& batch, int t, T* grad) {
        const Share r = rows(batch.m, t);
        for (int l = L(); l >= 1; --l) {
            const LayerPlan& q = layer(l);
            const i64 n = q.n, from = r.first * n, count = r.count() * n;
            T *z = at(q.z) + from, *delta = at(q.delta) + from;
            const bool short_form = l == L() && plan.short_form;
            T* g = short_form ? at(q.a) + from : grad_a(l, t, r.first);
            if (!short_form) {
                if (q.skip_from > 0)  // [SK2]
                    k.add_scaled(at(layer((int)q.skip_from).grad_a) + from, g, (T)q.skip_scale, !q.first_skip, count);
                if (q.kept >= 0 && batch.dropout)  // [DO2]
                    k.apply_mask(g, workspace + q.kept + from, (T)(1 / (1 - q.dropout)), count);
                const T* u = q.delta == q.z ? z : at(q.a) + from;  // one buffer for z and a: the slope is the same at a
                if (q.norm) {
                    T* again = scratch(plan.scratch_u, t);
                    k.scale_and_shift(z, nullptr, nullptr, 0, theta + q.gamma, theta + q.beta, again, r.count(), n);
                    u = again;
                }
                slope(q, q.norm ? g : delta, g, u, t, r.count());
            }
            if (q.norm) normalize_back(l, batch, t, g, grad);
            if (l > 1) gradient_below(l, batch, t);
        }
    }

    // core.passes [BP3] [BP4] for units first … last−1 of layer l, all rows of the batch, into `grad` (parameters,).
    void gradient(int l, const Batch<T>& batch, int t, i64 first, i64 last, T* grad) {
        const LayerPlan& q = layer(l);
        const T *delta = at(q.delta), *below = activation(l - 1, batch);
        T* to = grad + q.W + first * q.n_in;
        if (q.own_gradient)
            k.product(last - first, q.n_in, batch.m, delta + first, 1, q.n, below, q.n_in, false, to, q.n_in, panel(t));
        else
            blas.product(last - first, q.n_in, batch.m, delta + first, q.n, true, below, q.n_in, false, to, q.n_in, false);
        k.column_sums(delta, nullptr, grad + q.b, batch.m, q.n, first, last);
        if (q.norm == LAYER_NORM)
            for (i64 j = first; j < last; ++j) {
                T gamma = 0, beta = 0;
                for (int s = 0; s < plan.threads; ++s) {
                    gamma += at(q.norm_sums)[2 * s * q.n + j];
                    beta += at(q.norm_sums)[(2 * s + 1) * q.n + j];
                }
                grad[q.gamma + j] = gamma, grad[q.beta + j] = beta;  // [LN7] [LN8]
            }
    }

    // Each row's share in C, for the rows of thread t.  Returns false where the weights of the batch sum to 0.
    bool shares(const Batch<T>& batch, int t) {
        const Share r = rows(batch.m, t);
        T* share = at(plan.share);
        if (!batch.weight) {
            const T even = plan.mean ? (T)(1.0 / (double)batch.m) : (T)1;
            for (i64 i = r.first; i < r.last; ++i) share[i] = even;
            return true;
        }
        double total = 0;
        for (i64 i = 0; i < batch.m; ++i) total += batch.weight[batch.order ? batch.order[i] : i];
        for (i64 i = r.first; i < r.last; ++i) {
            const double w = batch.weight[batch.order ? batch.order[i] : i];
            share[i] = (T)(plan.mean ? w / total : w);
        }
        return total > 0;
    }

  private:
    void activate(int phi, T* u, T* a, const T* bias, i64 m, i64 n, double alpha) {
        if (phi == SOFTMAX) k.softmax(u, a, bias, m, n);
        else k.activate[phi](u, a, bias, m, n, (T)alpha);
    }

    void slope(const LayerPlan& q, T* grad_u, T* g, const T* u, int t, i64 m) {
        if (q.phi != SOFTMAX) return k.pull_back[q.phi](grad_u, g, u, m * q.n, (T)q.alpha);  // [BP2]
        T* p = scratch(plan.scratch_u, t);
        k.softmax(u, p, nullptr, m, q.n);
        k.softmax_pull_back(g, p, m, q.n);  // [BP2S]
        if (grad_u != g) std::memcpy(grad_u, g, sizeof(T) * m * q.n);
    }

    // [F1] z (m, n) = a_{l−1} Wᵀ, with b where the product is our own.
    void weighted_sums(int l, const Batch<T>& batch, int t) {
        const LayerPlan& q = layer(l);
        const T* a = activation(l - 1, batch);
        T* z = at(q.z);
        Share r = rows(batch.m, t), c(q.n, 0, 1);
        if (q.columns) {
            barrier.wait();
            r = Share(batch.m, 0, 1), c = Share(q.n, t, plan.threads, k.panel);
        }
        a += r.first * q.n_in, z += r.first * q.n + c.first;
        if (c.count() == 0) {
        } else if (q.own_forward)
            k.product_transposed(r.count(), c.count(), q.n_in, a, theta + q.W + c.first * q.n_in,
                                 q.packed >= 0 ? at(q.packed) + c.first * q.n_in : nullptr, theta + q.b + c.first, z, q.n,
                                 panel(t));
        else
            blas.product(r.count(), c.count(), q.n_in, a, q.n_in, false, theta + q.W + c.first * q.n_in, q.n_in, true, z, q.n,
                         false);
        if (q.columns) barrier.wait();
    }

    // [BP5] ∂C/∂a_{l−1} (m, n_in) = δ_l W, added to what the skips have brought.
    void gradient_below(int l, const Batch<T>& batch, int t) {
        const LayerPlan &q = layer(l), &below = layer(l - 1);
        Share r = rows(batch.m, t), c(q.n_in, 0, 1);
        T* g = grad_a(l - 1, t, r.first);
        if (q.columns) {
            barrier.wait();
            r = Share(batch.m, 0, 1), c = Share(q.n_in, t, plan.threads, k.panel);
            g = at(below.grad_a) + c.first;
        }
        const T *delta = at(q.delta) + r.first * q.n, *W = theta + q.W + c.first;
        if (c.count() == 0) {
        } else if (q.own_backward)
            k.product(r.count(), c.count(), q.n, delta, q.n, 1, W, q.n_in, below.skip_source, g, q.n_in, panel(t));
        else
            blas.product(r.count(), c.count(), q.n, delta, q.n, false, W, q.n_in, false, g, q.n_in, below.skip_source);
        if (q.columns) barrier.wait();
    }

    // core.norms.normalize and scale_and_shift: x̂ stays in z, u goes into a.
    void normalize(int l, const Batch<T>& batch, int t) {
        const LayerPlan& q = layer(l);
        const Share r = rows(batch.m, t);
        const i64 from = r.first * q.n;
        const T *gamma = theta + q.gamma, *beta = theta + q.beta;
        T *z = at(q.z) + from, *u = at(q.a) + from, *moments = at(q.moments);
        if (q.norm == LAYER_NORM)
            return k.layer_norm(z, moments + r.first, gamma, beta, (T)q.eps, u, r.count(), q.n);
        if (!batch.train)
            return k.scale_and_shift(z, running->mean[l - 1], running->variance[l - 1], (T)q.eps, gamma, beta, u, r.count(),
                                     q.n);
        barrier.wait();
        const Share c(q.n, t, plan.threads, k.lanes);
        k.batch_norm(at(q.z), moments, moments + q.n, moments + 2 * q.n, (T)q.eps, batch.m, q.n, c.first, c.last);
        barrier.wait();
        k.scale_and_shift(z, nullptr, nullptr, 0, gamma, beta, u, r.count(), q.n);
    }

    // core.norms.pull_back: δ in place of x̂, from grad_u in g.
    void normalize_back(int l, const Batch<T>& batch, int t, const T* g, T* grad) {
        const LayerPlan& q = layer(l);
        const Share r = rows(batch.m, t);
        T *x = at(q.z), *moments = at(q.moments);
        if (q.norm == LAYER_NORM) {
            T *sums = at(q.norm_sums) + 2 * t * q.n, *mine = x + r.first * q.n;
            k.column_sums(g, mine, sums, r.count(), q.n, 0, q.n);
            k.column_sums(g, nullptr, sums + q.n, r.count(), q.n, 0, q.n);
            return k.layer_norm_back(mine, g, mine, moments + r.first, theta + q.gamma, r.count(), q.n);
        }
        barrier.wait();
        const Share c(q.n, t, plan.threads, k.lanes);
        k.batch_norm_back(x, g - r.first * q.n, moments + 2 * q.n, theta + q.gamma, grad + q.gamma, grad + q.beta, batch.m, q.n,
                          c.first, c.last);
        barrier.wait();
    }
};

}  // namespace backlit
