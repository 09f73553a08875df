// One batch through the network and back, by several threads: the steps of core.passes on the buffers of a Plan.
//
// Both passes are a list of operations, made once, cut into phases after which each thread waits for all.  Most operations
// work on a share of the batch's rows and need no other row, so one phase may be both passes whole; batch norm, which
// mixes the rows, and products that are split over columns have phases of their own.  Gradients are split over the
// units of all layers: every number of theta belongs to one share, which computes its gradient and updates it.
#pragma once
#include <cstring>
#include <functional>

#include "blas.hpp"
#include "kernels.hpp"
#include "plan.hpp"
#include "thread_pool.hpp"

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
    std::uint64_t shard = 0;     // whose rows they are, where a step is shared out
    double weight_of_step = 0;   // above 0: the sum of the weights of the step that the batch is a part of
};

template <class T> struct RunningStats {
    std::vector<T*> mean, variance;  // by layer, [l − 1], null where the layer has no batch norm
};

template <class T> class Network {
  public:
    Network(Plan& plan, const Kernels<T>& kernels, Blas<T> blas, unsigned char* workspace)
        : plan(plan), k(kernels), blas(blas), workspace(workspace), pool(plan.threads) {
        forwards.resize(L()), outside.resize(plan.threads);
        if (plan.schedule.empty()) list_operations();
        else list_schedule();
    }

    Plan& plan;  // under a schedule its layers' places change from step to step
    const Kernels<T>& k;
    const Blas<T> blas;
    unsigned char* const workspace;
    ThreadPool pool;
    const T* theta = nullptr;
    const RunningStats<T>* running = nullptr;

    T* at(i64 offset) const { return offset < 0 ? nullptr : reinterpret_cast<T*>(workspace + offset); }
    int L() const { return plan.L(); }
    const LayerPlan& layer(int l) const { return plan.layer(l); }
    Range rows(i64 m, int t) const { return partition(m, t, plan.threads, plan.row_grain); }
    static i64 norm_blocks(i64 m) { return (m + norm_block - 1) / norm_block; }

    // ∂C/∂a_l for the rows of thread t, whose first is `first`.
    T* grad_a(int l, int t, i64 first) const {
        const LayerPlan& q = layer(l);
        return q.grad_a >= 0 ? at(q.grad_a) + first * q.n : scratch(plan.scratch_g, t);
    }
    T* scratch(i64 offset, int t) const {
        return at(offset) + largest_part(plan.m, plan.threads, plan.row_grain) * plan.widest * t;
    }
    T* panel(int t) const { return at(plan.panel) + plan.panel_numbers * t; }

    // a_l, all rows of the batch.
    const T* activation(int l, const Batch<T>& batch) const {
        if (l > 0) return at(layer(l).a);
        return batch.order ? at(plan.input) : batch.X;
    }

    void gather(const Batch<T>& batch, Range r) const {
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

    // core.passes.forward, batch norm by the running moments.  `scores`: leave u in place of a_L for a loss in short form.
    void forward(const Batch<T>& batch, bool scores) { perform(predicting, batch, scores, nullptr); }

    // core.passes.forward and backward, down to δ of layer 1; `grad` takes batch norm's gamma and beta.
    void passes(const Batch<T>& batch, T* grad) { perform(both, batch, plan.short_form, grad); }

    // core.passes [BP1] [BP1S] [C1]: slopes of the loss at the output (m, n_L), times each row's share, in place of
    // the scores or in grad_a; and share_i ℓ_i (m,), for the rows of thread t.  True: an output outside the loss's domain.
    bool output_slopes(const Batch<T>& batch, int t) {
        const Range r = rows(batch.m, t);
        const LayerPlan& q = layer(L());
        T* a = at(q.a) + r.first * q.n;
        T* g = plan.short_form ? a : grad_a(L(), t, r.first);
        if (!plan.short_form) std::memcpy(g, a, sizeof(T) * r.count() * q.n);
        LossJob<T> job{g, batch.order ? batch.Y : batch.Y + r.first * q.n, batch.order ? batch.order + r.first : nullptr,
                       at(plan.share) + r.first, losses() + r.first, r.count(), q.n, (T)plan.loss_parameter, false};
        k.losses[plan.loss_kernel](job);
        return job.outside;
    }
    double* losses() const { return reinterpret_cast<double*>(workspace + plan.losses); }

    // Σ share_i ℓ_i of the m rows of a batch, in one order whoever computed them.
    double sum_of_losses(i64 m) const {
        double s[4] = {};
        for (i64 i = 0; i < m; ++i) s[i % 4] += losses()[i];
        return (s[0] + s[1]) + (s[2] + s[3]);
    }

    // core.passes [BP3] [BP4] for units first … last−1 of layer l, all rows of the batch: ∂C/∂W into `to`
    // (last − first, n_in), the others into `grad` (parameters,).
    void gradient(int l, const Batch<T>& batch, int t, i64 first, i64 last, T* to, T* grad) {
        const LayerPlan& q = layer(l);
        const T *delta = at(q.delta), *below = activation(l - 1, batch);
        if (q.product == BY_BLAS) {
            each_blas_block({first, last}, [&](i64 j, i64 units) {
                blas.product({units, q.n_in, batch.m, delta + j, q.n, true, below, q.n_in, false, to + (j - first) * q.n_in,
                              q.n_in, false});
            });
        } else {
            ProductJob<T> job;
            job.m = last - first, job.n = q.n_in, job.k = batch.m;
            job.A = delta + first, job.row_step = 1, job.k_step = q.n;
            job.B = below, job.ldb = q.n_in, job.C = to, job.ldc = q.n_in, job.scratch = panel(t);
            q.n_in < k.lanes ? k.product_of_few_inputs(job) : k.product(job);
        }
        k.column_sums(delta, grad + q.b, batch.m, q.n, first, last);
        if (q.norm == LAYER_NORM) {
            const T* sums = at(q.norm_sums);  // (blocks, 2, n)
            k.column_sums(sums, grad + q.gamma, norm_blocks(batch.m), 2 * q.n, first, last);       // [LN7]
            k.column_sums(sums + q.n, grad + q.beta, norm_blocks(batch.m), 2 * q.n, first, last);  // [LN8]
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
    std::vector<char> outside;  // of each share: whether an output lay outside the loss's domain

  private:
    enum Kind { ROWS, PRODUCT, BIAS, MOMENTS, FINISH, OUTPUT, SLOPE, MOMENTS_BACK, BELOW, GRADIENT };
    struct Operation {
        Kind kind;
        int l;
        const Step* place = nullptr;  // where the layer's numbers lie from here on
    };
    using Phases = std::vector<std::vector<Operation>>;
    Phases predicting, both;  // forward by the running moments; forward by the batch's, and backward

    static bool by_columns(const LayerPlan& q) { return q.product != BY_ROWS; }

    void list_operations() {
        for (Phases* list : {&predicting, &both}) {
            list->emplace_back();
            if (list == &both) add(*list, {ROWS, 0}, false);
            for (int l = 1; l <= L(); ++l) {
                const bool moments = layer(l).norm == BATCH_NORM && list != &predicting;
                add(*list, {PRODUCT, l}, by_columns(layer(l)));
                if (layer(l).norm) add(*list, {BIAS, l}, false);
                if (moments) add(*list, {MOMENTS, l}, true);
                add(*list, {FINISH, l}, false);
            }
        }
        add(both, {OUTPUT, L()}, false);
        for (int l = L(); l >= 1; --l) {
            add(both, {SLOPE, l}, false);
            if (layer(l).norm == BATCH_NORM) add(both, {MOMENTS_BACK, l}, true);
            if (l > 1) add(both, {BELOW, l}, by_columns(layer(l)));
        }
    }

    // The plan's own list.  Layers of other widths take a place over, so every operation waits for all shares; and each
    // layer's gradient is computed as soon as its δ is there, before either of its factors is written over.
    void list_schedule() {
        predicting.emplace_back(), both.emplace_back();
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
            list_forward(predicting, step, false);
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

    void apply_step(const Step& step) {
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
        const double weight = batch.weight_of_step > 0 ? batch.weight_of_step : grad ? total_weight(batch) : 1;
        for (const auto& phase : list) {
            if (phase.empty()) continue;
            for (const Operation& operation : phase) {
                if (operation.place) apply_step(*operation.place);
                if (operation.kind == PRODUCT) ++forwards[operation.l - 1];
            }
            pool.phase([&](int t) {
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
        case OUTPUT: outside[t] = output_slopes(batch, t); break;
        case SLOPE: slopes(l, batch, t); break;
        case MOMENTS_BACK: batch_moments_back(l, batch, t, grad); break;
        case BELOW: gradient_below(l, batch, t); break;
        case GRADIENT: layer_gradient(l, batch, t, grad); break;
        }
    }

    // Each row's share in C.
    void shares(const Batch<T>& batch, int t, double total) {
        const Range r = rows(batch.m, t);
        T* share = at(plan.share);
        for (i64 i = r.first; i < r.last; ++i) {
            const double w = batch.weight ? batch.weight[batch.order ? batch.order[i] : i] : 1;
            share[i] = (T)(plan.mean ? w / total : w);
        }
    }

    // From z (with its bias where our own product made it) to a: norm, activation [F2], dropout [DO1], skip [SK1].
    void finish(int l, const Batch<T>& batch, int t, bool scores) {
        const LayerPlan& q = layer(l);
        const Range r = rows(batch.m, t);
        const i64 m = r.count(), n = q.n, from = r.first * n;
        T *z = at(q.z) + from, *a = at(q.a) + from;
        const Activation phi = scores ? IDENTITY : q.activation;
        if (q.norm) {
            normalize(l, batch, t);
            activate(phi, a, a, nullptr, m, n, q.alpha);
        } else {
            activate(phi, z, a, q.product == BY_BLAS ? theta + q.b : nullptr, m, n, q.alpha);
        }
        if (batch.dropout && q.kept >= 0) {
            unsigned char* kept = workspace + q.kept + from;
            k.draw_mask(kept, batch.seed, batch.step, batch.shard, l, from, m * n, q.dropout);
            k.apply_mask(a, kept, (T)(1 / (1 - q.dropout)), m * n);
        }
        if (q.skip_from >= 0)
            k.add_scaled(a, activation((int)q.skip_from, batch) + from, (T)q.skip_scale, true, m * n);
    }

    // From ∂C/∂a to δ, or where batch norm has yet to mix the rows to ∂C/∂u: skip [SK2], dropout [DO2], slope [BP2],
    // layer norm.
    void slopes(int l, const Batch<T>& batch, int t) {
        const LayerPlan& q = layer(l);
        const Range r = rows(batch.m, t);
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
                NormJob<T> job = norm_job(l, r);
                job.u = again;
                k.scale_and_shift(job);
                u = again;
            }
            slope(q, q.norm ? g : delta, g, u, t, r.count());
        }
        if (q.norm == LAYER_NORM) layer_norm_back(l, batch, t, g);
    }

    // Where ∂C/∂a_l, then ∂C/∂u_l, lies: in short form p − y stands in place of the scores.
    T* slope_buffer(int l, int t, Range r) const {
        return l == L() && plan.short_form ? at(layer(l).a) + r.first * layer(l).n : grad_a(l, t, r.first);
    }

    void activate(Activation phi, T* u, T* a, const T* bias, i64 m, i64 n, double alpha) {
        if (phi == SOFTMAX) k.softmax(u, a, bias, m, n);
        else k.activate[phi](u, a, bias, m, n, (T)alpha);
    }

    void slope(const LayerPlan& q, T* grad_u, T* g, const T* u, int t, i64 m) {
        if (q.activation != SOFTMAX) return k.pull_back[q.activation](grad_u, g, u, m * q.n, (T)q.alpha);  // [BP2]
        T* p = scratch(plan.scratch_u, t);
        k.softmax(u, p, nullptr, m, q.n);
        k.softmax_pull_back(g, p, m, q.n);  // [BP2S]
        if (grad_u != g) std::memcpy(grad_u, g, sizeof(T) * m * q.n);
    }

    // Which rows and columns of a layer's product are thread t's, of m and n; BLAS's are whole blocks.
    struct Part {
        Range rows, columns;
    };
    Part part(const LayerPlan& q, i64 m, i64 n, int t) const {
        if (q.product == BY_ROWS) return {rows(m, t), {0, n}};
        return {{0, m}, partition(n, t, plan.threads, q.product == BY_BLAS ? blas_block : k.panel)};
    }

    // [F1] z (m, n) = a_{l−1} Wᵀ, with b where the product is our own.
    void weighted_sums(int l, const Batch<T>& batch, int t) {
        const LayerPlan& q = layer(l);
        const Part own = part(q, batch.m, q.n, t);
        const Range r = own.rows, c = own.columns;
        const T *a = activation(l - 1, batch) + r.first * q.n_in, *W = theta + q.W;
        T* z = at(q.z) + r.first * q.n;
        if (q.product == BY_BLAS) {
            each_blas_block(c, [&](i64 j, i64 n) {
                blas.product({batch.m, n, q.n_in, a, q.n_in, false, W + j * q.n_in, q.n_in, true, z + j, q.n, false});
            });
            return;
        }
        ProductJob<T> job;
        job.m = r.count(), job.n = c.count(), job.k = q.n_in, job.A = a, job.row_step = q.n_in;
        job.B = W + c.first * q.n_in, job.packed = q.packed >= 0 ? at(q.packed) + c.first * q.n_in : nullptr;
        job.bias = theta + q.b + c.first, job.C = z + c.first, job.ldc = q.n, job.scratch = panel(t);
        k.product_transposed(job);
    }

    // [BP5] ∂C/∂a_{l−1} (m, n_in) = δ_l W, added to what the skips have brought.
    void gradient_below(int l, const Batch<T>& batch, int t) {
        const LayerPlan &q = layer(l), &below = layer(l - 1);
        const Part own = part(q, batch.m, q.n_in, t);
        const Range r = own.rows, c = own.columns;
        const T *delta = at(q.delta) + r.first * q.n, *W = theta + q.W;
        T* g = by_columns(q) ? at(below.grad_a) : grad_a(l - 1, t, r.first);
        if (q.product == BY_BLAS) {
            each_blas_block(c, [&](i64 j, i64 n) {
                blas.product({batch.m, n, q.n, delta, q.n, false, W + j, q.n_in, false, g + j, q.n_in, below.skip_source});
            });
            return;
        }
        ProductJob<T> job;
        job.m = r.count(), job.n = c.count(), job.k = q.n, job.A = delta, job.row_step = q.n;
        job.B = W + c.first, job.ldb = q.n_in, job.add = below.skip_source;
        job.C = g + c.first, job.ldc = q.n_in, job.scratch = panel(t);
        k.product(job);
    }

    // In front of a norm z must be whole.
    void add_bias(int l, const Batch<T>& batch, int t) {
        const LayerPlan& q = layer(l);
        const Range r = rows(batch.m, t);
        T* z = at(q.z) + r.first * q.n;
        if (q.product == BY_BLAS) k.activate[IDENTITY](z, z, theta + q.b, r.count(), q.n, 0);
    }

    // Layer l's norm on rows r of the batch.
    NormJob<T> norm_job(int l, Range r) const {
        const LayerPlan& q = layer(l);
        NormJob<T> job;
        job.m = r.count(), job.n = q.n, job.eps = (T)q.eps;
        job.z = at(q.z) + r.first * q.n, job.u = at(q.a) + r.first * q.n;
        job.gamma = theta + q.gamma, job.beta = theta + q.beta;
        if (q.norm == LAYER_NORM) job.inverse_std = at(q.moments) + r.first;
        return job;
    }

    // Batch norm of all rows, for the columns of thread t.
    NormJob<T> batch_norm_job(int l, const Batch<T>& batch, int t) const {
        const LayerPlan& q = layer(l);
        const Range c = partition(q.n, t, plan.threads, k.lanes);
        NormJob<T> job = norm_job(l, {0, batch.m});
        job.first = c.first, job.last = c.last;
        job.mean = at(q.moments), job.variance = job.mean + q.n, job.inverse_std = job.variance + q.n;
        return job;
    }

    // [BN1] [BN2] [BN3] for a share of the columns: x̂ in place of z.
    void batch_moments(int l, const Batch<T>& batch, int t) { k.batch_norm(batch_norm_job(l, batch, t)); }

    // [BN8] for a share of the columns: δ in place of x̂, and the gradients of gamma and beta [BN9] [BN10].
    void batch_moments_back(int l, const Batch<T>& batch, int t, T* grad) {
        const LayerPlan& q = layer(l);
        NormJob<T> job = batch_norm_job(l, batch, t);
        job.grad_u = l == L() && plan.short_form ? at(q.a) : at(q.grad_a);
        job.grad_gamma = grad + q.gamma, job.grad_beta = grad + q.beta;
        k.batch_norm_back(job);
    }

    // core.norms.normalize and scale_and_shift: x̂ stays in z, u goes into a.
    void normalize(int l, const Batch<T>& batch, int t) {
        NormJob<T> job = norm_job(l, rows(batch.m, t));
        if (layer(l).norm == LAYER_NORM) return k.layer_norm(job);
        if (!batch.train) job.mean = running->mean[l - 1], job.variance = running->variance[l - 1];
        k.scale_and_shift(job);
    }

    // core.norms.pull_back by rows: δ in place of x̂, from grad_u in g; sums for gamma and beta [LN7] [LN8] over each
    // block of rows, so that they are the same whoever has the block.
    void layer_norm_back(int l, const Batch<T>& batch, int t, const T* g) {
        const LayerPlan& q = layer(l);
        const Range r = rows(batch.m, t);
        NormJob<T> job = norm_job(l, r);
        job.grad_u = g, job.block = norm_block;
        job.grad_gamma = at(q.norm_sums) + 2 * (r.first / norm_block) * q.n;
        k.layer_norm_sums(job);
        k.layer_norm_back(job);
    }
};

}  // namespace backlit
