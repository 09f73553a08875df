// One batch through the network and back, by a team: the steps of core.passes on the buffers of a Plan.
//
// Both passes are a list of operations, made once, cut into phases after which the team waits for all.  Most operations
// work on a share of the batch's rows and need no other row, so one phase may be both passes whole; batch norm, which
// mixes the rows, and products that are split over columns have phases of their own.  Gradients are split over the
// units of all layers: every number of theta belongs to one share, which computes its gradient and updates it.
#pragma once
#include <cstring>
#include <functional>

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
    i64 next = 0;                // rows of the batch after this one, which `order` goes on with
};

template <class T> struct Running {
    std::vector<T*> mean, variance;  // by layer, [l − 1], null where the layer has no batch norm
};

template <class T> class Network {
  public:
    Network(Plan& plan, const Kernels<T>& kernels, Blas<T> blas, unsigned char* workspace)
        : plan(plan), k(kernels), blas(blas), workspace(workspace), team(plan.threads) {
        forwards.resize(L());
        if (plan.schedule.empty()) list_operations();
        else list_schedule();
    }

    Plan& plan;  // under a schedule its layers' places change from step to step
    const Kernels<T>& k;
    const Blas<T> blas;
    unsigned char* const workspace;
    Team team;
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
        const i64 from = batch.m + (r.first < batch.next ? r.first : batch.next);
        const i64 to = batch.m + (r.last < batch.next ? r.last : batch.next);
        k.gather(batch.X, batch.Y, batch.order + r.first, r.count(), plan.n_0, layer(L()).n, batch.order + from, to - from,
                 at(plan.input) + r.first * plan.n_0);
    }

    // Wᵀ of units first … last−1 of layer l into panels.
    void pack(int l, i64 first, i64 last) const {
        const LayerPlan& q = layer(l);
        if (q.packed >= 0) k.pack_transposed(theta + q.W, q.n, q.n_in, first, last, at(q.packed));
    }

    // core.passes.forward.  `scores`: leave u in place of a_L for a loss in short form.
    void forward(const Batch<T>& batch, bool scores) { perform(batch.train ? training : predicting, batch, scores, nullptr); }

    // core.passes.forward and backward, down to δ of layer 1; `grad` takes batch norm's gamma and beta.
    void passes(const Batch<T>& batch, T* grad) { perform(both, batch, plan.short_form, grad); }

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

    // core.passes [BP3] [BP4] for units first … last−1 of layer l, all rows of the batch: ∂C/∂W into `to`
    // (last − first, n_in), the others into `grad` (parameters,).
    void gradient(int l, const Batch<T>& batch, int t, i64 first, i64 last, T* to, T* grad) {
        const LayerPlan& q = layer(l);
        const T *delta = at(q.delta), *below = activation(l - 1, batch);
        if (q.own_gradient && q.n_in < k.lanes)
            k.product_of_few_inputs(last - first, q.n_in, batch.m, delta + first, q.n, below, to, panel(t));
        else if (q.own_gradient)
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

    // Σ of the batch's weights; without weights their number.
    static double total_weight(const Batch<T>& batch) {
        if (!batch.weight) return (double)batch.m;
        double total = 0;
        for (i64 i = 0; i < batch.m; ++i) total += batch.weight[batch.order ? batch.order[i] : i];
        return total;
    }

    std::vector<i64> forwards;  // how often each layer's forward pass has run
    std::function<void(int l, const Batch<T>& batch, int t, T* grad)> layer_gradient;  // share t of layer l's gradient
    std::vector<double> loss;   // of each share: Σ share_i ℓ_i
    std::vector<char> outside;  // of each share: whether an output lay outside the loss's domain

  private:
    enum Kind { ROWS, PRODUCT, BIAS, MOMENTS, FINISH, OUTPUT, SLOPE, MOMENTS_BACK, BELOW, GRADIENT };
    struct Operation {
        Kind kind;
        int l;
        const Step* place = nullptr;  // where the layer's numbers lie from here on
    };
    using Phases = std::vector<std::vector<Operation>>;
    Phases predicting, training, both;  // forward by running moments; forward by the batch's; forward and backward

    void list_operations() {
        loss.resize(plan.threads), outside.resize(plan.threads);
        for (Phases* list : {&predicting, &training, &both}) {
            list->emplace_back();
            if (list == &both) add(*list, {ROWS, 0}, false);
            for (int l = 1; l <= L(); ++l) {
                const bool moments = layer(l).norm == BATCH_NORM && list != &predicting;
                add(*list, {PRODUCT, l}, layer(l).columns);
                if (layer(l).norm) add(*list, {BIAS, l}, false);
                if (moments) add(*list, {MOMENTS, l}, true);
                add(*list, {FINISH, l}, false);
            }
        }
        add(both, {OUTPUT, L()}, false);
        for (int l = L(); l >= 1; --l) {
            add(both, {SLOPE, l}, false);
            if (layer(l).norm == BATCH_NORM) add(both, {MOMENTS_BACK, l}, true);
            if (l > 1) add(both, {BELOW, l}, layer(l).columns);
        }
    }

    // The plan's own list.  Layers of other widths take a place over, so every operation waits for all shares; and each
    // layer's gradient is computed as soon as its δ is there, before either of its factors is written over.
    void list_schedule() {
        loss.resize(plan.threads), outside.resize(plan.threads);
        for (Phases* list : {&predicting, &training, &both}) list->emplace_back();
        add(both, {ROWS, 0}, true);
        i64 seen = 0;
        for (const Step& step : plan.schedule) {
            const int l = (int)step.l;
            if (step.back) {
                if (l == L()) add(both, {OUTPUT, l}, true);
                list_backward(l);
                continue;
            }
            list_forward(both, step, true);
            if (l <= seen) continue;  // a layer computed again
            list_forward(predicting, step, false), list_forward(training, step, true);
            seen = l;
        }
    }

    void list_forward(Phases& list, const Step& step, bool train) {
        const int l = (int)step.l;
        add(list, {PRODUCT, l, &step}, true);
        if (layer(l).norm) add(list, {BIAS, l}, true);
        if (layer(l).norm == BATCH_NORM && train) add(list, {MOMENTS, l}, true);
        add(list, {FINISH, l}, true);
    }

    void list_backward(int l) {
        add(both, {SLOPE, l}, true);
        if (layer(l).norm == BATCH_NORM) add(both, {MOMENTS_BACK, l}, true);
        add(both, {GRADIENT, l}, true);
        if (l > 1) add(both, {BELOW, l}, true);
    }

    void put(const Step& step) {
        LayerPlan& q = plan.layers[step.l - 1];
        q.z = q.delta = step.z, q.a = step.a, q.kept = step.kept;
    }

    // `alone`: the operation reads what other shares wrote before it, and they read what it writes.
    static void add(Phases& list, Operation operation, bool alone) {
        if (alone && !list.back().empty()) list.emplace_back();
        list.back().push_back(operation);
        if (alone) list.emplace_back();
    }

    void perform(const Phases& list, const Batch<T>& batch, bool scores, T* grad) {
        const double weight = grad ? total_weight(batch) : 1;
        for (const auto& phase : list) {
            if (phase.empty()) continue;
            for (const Operation& operation : phase) {
                if (operation.place) put(*operation.place);
                if (operation.kind == PRODUCT) ++forwards[operation.l - 1];
            }
            team.phase([&](int t) {
                for (const Operation& operation : phase) perform(operation, batch, t, scores, grad, weight);
            });
        }
    }

    void perform(const Operation& operation, const Batch<T>& batch, int t, bool scores, T* grad, double weight) {
        const int l = operation.l;
        switch (operation.kind) {
        case ROWS: shares(batch, t, weight), gather(batch, rows(batch.m, t)); break;
        case PRODUCT: weighted_sums(l, batch, t); break;
        case BIAS: add_bias(l, batch, t); break;
        case MOMENTS: batch_moments(l, batch, t); break;
        case FINISH: finish(l, batch, t, scores && l == L()); break;
        case OUTPUT: {
            bool wrong;
            loss[t] = output_slopes(batch, t, &wrong), outside[t] = wrong;
            break;
        }
        case SLOPE: slopes(l, batch, t); break;
        case MOMENTS_BACK: batch_moments_back(l, batch, t, grad); break;
        case BELOW: gradient_below(l, batch, t); break;
        case GRADIENT: layer_gradient(l, batch, t, grad); break;
        }
    }

    // Each row's share in C.
    void shares(const Batch<T>& batch, int t, double total) {
        const Share r = rows(batch.m, t);
        T* share = at(plan.share);
        for (i64 i = r.first; i < r.last; ++i) {
            const double w = batch.weight ? batch.weight[batch.order ? batch.order[i] : i] : 1;
            share[i] = (T)(plan.mean ? w / total : w);
        }
    }

    // From z (with its bias where our own product made it) to a: norm, activation [F2], dropout [DO1], skip [SK1].
    void finish(int l, const Batch<T>& batch, int t, bool scores) {
        const LayerPlan& q = layer(l);
        const Share r = rows(batch.m, t);
        const i64 m = r.count(), n = q.n, from = r.first * n;
        T *z = at(q.z) + from, *a = at(q.a) + from;
        const int phi = scores ? 0 : q.phi;
        if (q.norm) {
            normalize(l, batch, t);
            activate(phi, a, a, nullptr, m, n, q.alpha);
        } else {
            activate(phi, z, a, q.own_forward ? nullptr : theta + q.b, m, n, q.alpha);
        }
        if (batch.dropout && q.kept >= 0) {
            unsigned char* kept = workspace + q.kept + from;
            k.draw_mask(kept, batch.seed, batch.step, l, from, m * n, q.dropout);
            k.apply_mask(a, kept, (T)(1 / (1 - q.dropout)), m * n);
        }
        if (q.skip_from >= 0)
            k.add_scaled(a, activation((int)q.skip_from, batch) + from, (T)q.skip_scale, true, m * n);
    }

    // From ∂C/∂a to δ, or where batch norm has yet to mix the rows to ∂C/∂u: skip [SK2], dropout [DO2], slope [BP2],
    // layer norm.
    void slopes(int l, const Batch<T>& batch, int t) {
        const LayerPlan& q = layer(l);
        const Share r = rows(batch.m, t);
        const i64 n = q.n, from = r.first * n, count = r.count() * n;
        T *z = at(q.z) + from, *delta = at(q.delta) + from, *g = slope_buffer(l, t, r);
        if (!(l == L() && plan.short_form)) {
            if (q.skip_from > 0)
                k.add_scaled(at(layer((int)q.skip_from).grad_a) + from, g, (T)q.skip_scale, !q.first_skip, count);
            if (q.kept >= 0 && batch.dropout)
                k.apply_mask(g, workspace + q.kept + from, (T)(1 / (1 - q.dropout)), count);
            const T* u = q.delta == q.z ? z : at(q.a) + from;  // one buffer for z and a: the slope is the same at a
            if (q.norm) {
                T* again = scratch(plan.scratch_u, t);
                k.scale_and_shift(z, nullptr, nullptr, 0, theta + q.gamma, theta + q.beta, again, r.count(), n);
                u = again;
            }
            slope(q, q.norm ? g : delta, g, u, t, r.count());
        }
        if (q.norm == LAYER_NORM) layer_norm_back(l, batch, t, g);
    }

    // Where ∂C/∂a_l, then ∂C/∂u_l, lies: in short form p − y stands in place of the scores.
    T* slope_buffer(int l, int t, Share r) const {
        return l == L() && plan.short_form ? at(layer(l).a) + r.first * layer(l).n : grad_a(l, t, r.first);
    }

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
        if (q.columns) r = Share(batch.m, 0, 1), c = Share(q.n, t, plan.threads, k.panel);
        a += r.first * q.n_in, z += r.first * q.n + c.first;
        if (c.count() == 0) {
        } else if (q.own_forward)
            k.product_transposed(r.count(), c.count(), q.n_in, a, theta + q.W + c.first * q.n_in,
                                 q.packed >= 0 ? at(q.packed) + c.first * q.n_in : nullptr, theta + q.b + c.first, z, q.n,
                                 panel(t));
        else
            blas.product(r.count(), c.count(), q.n_in, a, q.n_in, false, theta + q.W + c.first * q.n_in, q.n_in, true, z, q.n,
                         false);
    }

    // [BP5] ∂C/∂a_{l−1} (m, n_in) = δ_l W, added to what the skips have brought.
    void gradient_below(int l, const Batch<T>& batch, int t) {
        const LayerPlan &q = layer(l), &below = layer(l - 1);
        Share r = rows(batch.m, t), c(q.n_in, 0, 1);
        T* g = grad_a(l - 1, t, r.first);
        if (q.columns) {
            r = Share(batch.m, 0, 1), c = Share(q.n_in, t, plan.threads, k.panel);
            g = at(below.grad_a) + c.first;
        }
        const T *delta = at(q.delta) + r.first * q.n, *W = theta + q.W + c.first;
        if (c.count() == 0) {
        } else if (q.own_backward)
            k.product(r.count(), c.count(), q.n, delta, q.n, 1, W, q.n_in, below.skip_source, g, q.n_in, panel(t));
        else
            blas.product(r.count(), c.count(), q.n, delta, q.n, false, W, q.n_in, false, g, q.n_in, below.skip_source);
    }

    // In front of a norm z must be whole.
    void add_bias(int l, const Batch<T>& batch, int t) {
        const LayerPlan& q = layer(l);
        const Share r = rows(batch.m, t);
        T* z = at(q.z) + r.first * q.n;
        if (!q.own_forward) k.activate[0](z, z, theta + q.b, r.count(), q.n, 0);
    }

    // [BN1] [BN2] [BN3] for a share of the columns: x̂ in place of z.
    void batch_moments(int l, const Batch<T>& batch, int t) {
        const LayerPlan& q = layer(l);
        const Share c(q.n, t, plan.threads, k.lanes);
        T* moments = at(q.moments);
        k.batch_norm(at(q.z), moments, moments + q.n, moments + 2 * q.n, (T)q.eps, batch.m, q.n, c.first, c.last);
    }

    // [BN8] for a share of the columns: δ in place of x̂, and the gradients of gamma and beta [BN9] [BN10].
    void batch_moments_back(int l, const Batch<T>& batch, int t, T* grad) {
        const LayerPlan& q = layer(l);
        const Share c(q.n, t, plan.threads, k.lanes);
        const T* g = l == L() && plan.short_form ? at(q.a) : at(q.grad_a);
        k.batch_norm_back(at(q.z), g, at(q.moments) + 2 * q.n, theta + q.gamma, grad + q.gamma, grad + q.beta, batch.m, q.n,
                          c.first, c.last);
    }

    // core.norms.normalize and scale_and_shift: x̂ stays in z, u goes into a.
    void normalize(int l, const Batch<T>& batch, int t) {
        const LayerPlan& q = layer(l);
        const Share r = rows(batch.m, t);
        const i64 from = r.first * q.n;
        const T *gamma = theta + q.gamma, *beta = theta + q.beta;
        T *z = at(q.z) + from, *u = at(q.a) + from;
        if (q.norm == LAYER_NORM)
            return k.layer_norm(z, at(q.moments) + r.first, gamma, beta, (T)q.eps, u, r.count(), q.n);
        const T* mean = batch.train ? nullptr : running->mean[l - 1];
        const T* variance = batch.train ? nullptr : running->variance[l - 1];
        k.scale_and_shift(z, mean, variance, (T)q.eps, gamma, beta, u, r.count(), q.n);
    }

    // core.norms.pull_back by rows: δ in place of x̂, from grad_u in g; sums for gamma and beta [LN7] [LN8].
    void layer_norm_back(int l, const Batch<T>& batch, int t, const T* g) {
        const LayerPlan& q = layer(l);
        const Share r = rows(batch.m, t);
        T *x = at(q.z) + r.first * q.n, *sums = at(q.norm_sums) + 2 * t * q.n;
        k.column_sums(g, x, sums, r.count(), q.n, 0, q.n);
        k.column_sums(g, nullptr, sums + q.n, r.count(), q.n, 0, q.n);
        k.layer_norm_back(x, g, x, at(q.moments) + r.first, theta + q.gamma, r.count(), q.n);
    }
};

}  // namespace backlit
