// What a plan must be so that no operation reads or writes outside theta, the data and the workspace.  The engine checks
// it once, when it is made; each call then checks its arrays against it (bindings.cpp).
//
// Places may overlap: a plan that lets them gives other numbers, not a crash.
#pragma once
#include <algorithm>
#include <climits>
#include <cmath>
#include <sstream>
#include <stdexcept>
#include <string>

#include "engine.hpp"

namespace backlit {

constexpr int most_threads = 1024;
constexpr i64 most_numbers = (i64)1 << 48;  // in a buffer: below it no product of two sizes that are checked overflows
constexpr i64 alignment = 64;

template <class... Parts> std::string text(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

template <class... Parts> void require(bool holds, const Parts&... parts) {
    if (!holds) throw std::invalid_argument(text(parts...));
}

inline void require_finite(double x, const char* what) { require(std::isfinite(x), what, " must be finite, not ", x); }

template <class T> class PlanChecks {
  public:
    PlanChecks(Plan& plan, const Kernels<T>& kernels, bool has_gemm) : plan(plan), k(kernels), has_gemm(has_gemm) {}

    void all() {
        sizes();
        for (int l = 1; l <= plan.L(); ++l) layer_sizes(l);
        derive(plan);
        for (int l = 1; l <= plan.L(); ++l) parameters(l), skip(l), product(l);
        output();
        shared_buffers();
        for (int l = 1; l <= plan.L(); ++l) layer_buffers(l);
        if (plan.schedule.empty())
            for (int l = 1; l <= plan.L(); ++l) place(l, plan.layer(l).z, plan.layer(l).a, plan.layer(l).kept, plan.layer(l).delta);
        else schedule();
    }

  private:
    Plan& plan;
    const Kernels<T>& k;
    const bool has_gemm;

    static std::string of(const char* what, int l) { return text(what, "[", l, "]"); }

    // rows · columns, where that is a number of things that can be.
    static i64 numbers(i64 rows, i64 columns, const std::string& what) {
        i64 count;
        const bool fits = !__builtin_mul_overflow(rows, columns, &count) && count <= most_numbers;
        require(fits, what, " of ", rows, " times ", columns, " numbers is too large");
        return count;
    }

    // `count` things of `size` bytes lie in the workspace.
    void inside(const std::string& what, i64 offset, i64 count, i64 size = sizeof(T)) const {
        require(offset >= 0, "the plan has no place for ", what);
        require(offset % alignment == 0, what, " lies at byte ", offset, ", which is no multiple of ", alignment);
        require(offset <= plan.bytes && count <= (plan.bytes - offset) / size, what, " takes ", count, " numbers of ", size,
                " bytes from byte ", offset, " on, and the workspace has ", plan.bytes, " bytes");
    }
    void inside_if_there(const std::string& what, i64 offset, i64 count) const {
        if (offset != -1) inside(what, offset, count);
    }

    void sizes() const {
        require(!plan.layers.empty(), "a plan needs at least one layer");
        require(plan.layers.size() <= (size_t)1 << 20, "a plan has at most 2^20 layers");
        require(plan.m >= 1 && plan.m <= most_numbers, "m must be at least 1, and a number of rows that can be, not ", plan.m);
        require(plan.n_0 >= 1 && plan.n_0 <= most_numbers, "n_0 must be at least 1, not ", plan.n_0);
        require(plan.threads >= 1 && plan.threads <= most_threads, "threads must be 1 to ", most_threads, ", not ", plan.threads);
        require(plan.bytes >= 0 && plan.bytes <= most_numbers, "bytes must be at least 0, and a size that can be, not ", plan.bytes);
        require(plan.parameters >= 1 && plan.parameters <= most_numbers, "parameters must be at least 1, not ", plan.parameters);
        require_finite(plan.l2, "l2"), require_finite(plan.alpha, "alpha"), require_finite(plan.loss_parameter, "the loss's parameter");
    }

    void layer_sizes(int l) const {
        const LayerPlan& q = plan.layer(l);
        const i64 n_in = l > 1 ? plan.layer(l - 1).n : plan.n_0;
        require(q.n >= 1 && q.n <= most_numbers, of("n", l), " must be at least 1, not ", q.n);
        numbers(q.n, n_in, of("W", l)), numbers(q.n, plan.m, of("a", l));
        require(q.skip_from >= -1 && q.skip_from < l, "layer ", l, " skips from layer ", q.skip_from, ", which is no earlier one");
        require(q.dropout >= 0 && q.dropout < 1, of("dropout", l), " must be in [0, 1), not ", q.dropout);
        require_finite(q.alpha, "an activation's parameter"), require_finite(q.skip_scale, "skip_scale");
        require(q.eps >= 0 && std::isfinite(q.eps), of("eps", l), " must be at least 0 and finite, not ", q.eps);
        require(q.activation != SOFTMAX || l == plan.L(), "layer ", l, " is softmax, which is for the output");
    }

    void parameters(int l) const {
        const LayerPlan& q = plan.layer(l);
        const auto within = [&](const char* what, i64 first, i64 count) {
            require(first >= 0 && count <= plan.parameters && first <= plan.parameters - count, of(what, l), " takes ", count,
                    " parameters from ", first, " on, of ", plan.parameters);
        };
        within("W", q.W, q.n * q.n_in), within("b", q.b, q.n);
        if (q.norm) within("gamma", q.gamma, q.n), within("beta", q.beta, q.n);
    }

    void skip(int l) const {
        const LayerPlan& q = plan.layer(l);
        if (q.skip_from < 0) return;
        const i64 width = q.skip_from ? plan.layer((int)q.skip_from).n : plan.n_0;
        require(width == q.n, "layer ", l, " has ", q.n, " units and skips from layer ", q.skip_from, ", which has ", width);
    }

    void product(int l) const {
        const LayerPlan& q = plan.layer(l);
        require(q.units_at_once >= blas_block && q.units_at_once % blas_block == 0, of("units_at_once", l),
                " must be a multiple of ", blas_block, ", not ", q.units_at_once);
        if (q.product != BY_BLAS) return;
        require(has_gemm, "layer ", l, "'s products are BLAS's, and no gemm was given");
        require(q.n <= INT_MAX && q.n_in <= INT_MAX && plan.m <= INT_MAX, "layer ", l, " is too large for BLAS, which counts by int");
    }

    void output() const {
        const LayerPlan& last = plan.layers.back();
        if (!plan.short_form) return;
        require(plan.loss_kernel >= n_losses, "there is no short form of ", activation_names[last.activation].name, " with ",
                loss_names[plan.loss].name);
        require(!last.dropout && last.skip_from < 0, "an output with dropout or a skip has no short form");
    }

    // Numbers of scratch that a product's copies of A's rows take, `rows` of them.
    i64 copied(i64 rows, i64 row_step, i64 k_step, i64 inner) const {
        return k.copies_rows(row_step, k_step, inner) ? numbers(rows, k.copied_step, "a panel") : 0;
    }
    i64 panel_needed(int l) const {
        const LayerPlan& q = plan.layer(l);
        const i64 rows = q.product == BY_COLUMNS ? plan.m : rows_of_share();
        i64 most = copied(rows, q.n_in, 1, q.n_in);
        if (!plan.trains()) return most;
        most = std::max(most, copied(rows, q.n, 1, q.n));
        const bool few = q.n_in < k.lanes;
        return std::max(most, few ? copied(q.n_in, 1, q.n_in, plan.m) : copied(q.n, 1, q.n, plan.m));
    }
    i64 rows_of_share() const { return largest_part(plan.m, plan.threads, plan.row_grain); }

    void shared_buffers() const {
        i64 copies = 0;
        bool own = false, softmax = !plan.short_form && plan.layers.back().activation == SOFTMAX, norm = false, in_scratch = false;
        for (int l = 1; l <= plan.L(); ++l) {
            const LayerPlan& q = plan.layer(l);
            if (q.product != BY_BLAS) own = true, copies = std::max(copies, panel_needed(l));
            norm |= q.norm != NO_NORM;
            in_scratch |= q.grad_a < 0 && !(l == plan.L() && plan.short_form);
        }
        const i64 scratch = numbers(numbers(rows_of_share(), plan.widest, "scratch"), plan.threads, "scratch");
        inside("share", plan.share, plan.m), inside("losses", plan.losses, plan.m, sizeof(double));
        if (own) {
            require(plan.panel_numbers >= k.panel_rows * k.panel + copies && plan.panel_numbers <= most_numbers,
                    "panel_numbers must be at least ", k.panel_rows * k.panel + copies, ", not ", plan.panel_numbers);
            inside("panel", plan.panel, numbers(plan.panel_numbers, plan.threads, "panel"));
        }
        if ((!plan.trains() && plan.layers.back().grad_a < 0 && !plan.short_form) || (plan.trains() && in_scratch))
            inside("scratch_g", plan.scratch_g, scratch);
        if (!plan.trains()) return;
        require(plan.block < 0 || plan.gradient < 0, "a plan has a place for blocks of the gradient or for the whole, not both");
        require(plan.block < 0 || plan.schedule.empty(), "under a schedule the gradient needs a place");
        inside("input", plan.input, numbers(plan.m, plan.n_0, "the input"));
        if (plan.gradient >= 0) inside("gradient", plan.gradient, plan.parameters);
        else blocks();
        if (norm || softmax) inside("scratch_u", plan.scratch_u, scratch);
    }

    void blocks() const {
        i64 most = 0;
        for (auto& q : plan.layers) most = std::max(most, std::min(q.units_at_once, q.n) * q.n_in);
        require(plan.block_numbers >= most && plan.block_numbers <= most_numbers, "block_numbers must be at least ", most, ", not ",
                plan.block_numbers);
        inside("block", plan.block, numbers(plan.block_numbers, plan.threads, "block"));
    }

    void layer_buffers(int l) const {
        const LayerPlan& q = plan.layer(l);
        const i64 size = q.n * plan.m;
        if (q.packed != -1)
            inside(of("packed", l), q.packed, numbers((q.n + k.panel - 1) / k.panel * k.panel, q.n_in, of("packed", l)));
        if (q.norm == LAYER_NORM) inside(of("moments", l), q.moments, plan.m);
        inside_if_there(of("grad_a", l), q.grad_a, size);
        if (!plan.trains()) return;
        if (q.norm == BATCH_NORM) inside(of("moments", l), q.moments, 3 * q.n);
        if (q.norm == LAYER_NORM) inside(of("norm_sums", l), q.norm_sums, numbers(2 * Network<T>::norm_blocks(plan.m), q.n, "norm_sums"));
        const bool short_output = l == plan.L() && plan.short_form;
        const bool shared = q.skip_source || (q.norm == BATCH_NORM && !short_output) ||
                            (l < plan.L() && plan.layer(l + 1).product != BY_ROWS);
        require(!shared || q.grad_a >= 0, of("grad_a", l), " needs a place: other threads write or read it");
    }

    // Where layer l's numbers lie from a step on.
    void place(int l, i64 z, i64 a, i64 kept, i64 delta) const {
        const LayerPlan& q = plan.layer(l);
        const i64 size = q.n * plan.m;
        inside(of("z", l), z, size), inside(of("a", l), a, size);
        if (!plan.trains()) return;
        inside(of("delta", l), delta, size);
        if (q.dropout) inside(of("kept", l), kept, size, 1);
        else require(kept == -1, "layer ", l, " has a place for a mask, and no dropout");
    }

    // Each layer forward, upwards at first, once what it reads is there; then, where the plan trains, all backward, downwards.
    void schedule() const {
        i64 seen = 0, back = plan.L() + 1;
        for (const Step& step : plan.schedule) {
            require(step.l >= 1 && step.l <= plan.L(), "a step of the schedule is layer ", step.l, "'s, of ", plan.L());
            if (step.back) {
                require(plan.trains() && seen == plan.L() && step.l == back - 1, "layer ", step.l,
                        " goes backward before the layers above it, or twice");
                back = step.l;
            } else {
                require(step.l <= seen + 1, "layer ", step.l, " goes forward before the layers below it");
                seen = std::max(seen, step.l);
                place((int)step.l, step.z, step.a, step.kept, step.z);
            }
        }
        require(seen == plan.L() && (!plan.trains() || back == 1), "the schedule leaves layers out");
    }
};

}  // namespace backlit
