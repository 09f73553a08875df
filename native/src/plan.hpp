// The plan that src/backlit/engine/plan.py makes: where each layer's numbers lie, and how each product is done.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "names.hpp"

namespace backlit {

using i64 = std::int64_t;

struct Free {
    void operator()(void* p) const { std::free(p); }
};

// Sums go over blocks of these sizes, never over a thread's share, and each call of BLAS has such a block's shape: so no
// bit follows the number of threads.
constexpr i64 unit_block = 16;   // units, whose squared gradients are summed together
constexpr i64 blas_block = 128;  // columns, or units, of one call of BLAS
constexpr i64 norm_block = 8;    // rows, over which layer norm's ∂C/∂γ and ∂C/∂β are summed

struct LayerPlan {
    i64 n = 0;
    Activation activation = IDENTITY;
    Norm norm = NO_NORM;
    double alpha = 0, eps = 0, dropout = 0, skip_scale = 0;
    i64 skip_from = -1;
    bool train_bias = true;
    i64 units_at_once = 0;  // a multiple of blas_block: whose ∂C/∂W is computed, and then measured, while it is in the cache
    i64 W = 0, b = 0, gamma = -1, beta = -1;  // offsets in theta, in numbers

    // Offsets in the workspace, in bytes; -1 where there is none.  (m, n) but where said.
    i64 z = -1;            // z, then u, or with a norm x̂; may be a's
    i64 a = -1;            // a; with a norm first u
    i64 delta = -1;        // δ; may be z's
    i64 grad_a = -1;       // ∂C/∂a where it has a buffer to itself, may be δ's; -1: the thread's scratch
    i64 kept = -1;         // (m, n) bytes, 1 where dropout kept the unit
    i64 moments = -1;      // batch norm: mean, variance, inverse_std (3, n); layer norm: inverse_std (m,)
    i64 norm_sums = -1;    // layer norm: sums for gamma and beta over each norm_block rows (⌈m/norm_block⌉, 2, n)
    i64 packed = -1;       // Wᵀ in panels, for products of our own

    Product product = BY_ROWS;

    // What follows from the others: see `derive`.
    i64 n_in = 0;
    bool first_skip = false;   // the highest of the layers that skip from skip_from: it starts their gradient's sum
    bool skip_source = false;  // a later layer skips from this one
};

// Under a memory limit layers take turns in one pool: layer l forward, with its numbers in these places until it is
// computed again (δ takes z's place), or backward with what it has.
struct Step {
    bool back;
    i64 l, z, a, kept;
};

struct Plan {
    i64 m = 0, n_0 = 0, parameters = 0;
    int threads = 1;
    Loss loss = HALF_SQUARED_ERROR;
    bool short_form = false, mean = true;
    double loss_parameter = 0, l2 = 0;
    double alpha = -1;                               // where ≥ 0, L2 is alpha over the weight of the batch
    i64 input = -1, share = -1, losses = -1, gradient = -1;  // (m, n_0), (m,), (m,) doubles, (parameters,)
    i64 scratch_g = -1, scratch_u = -1, panel = -1;  // one a thread: (rows_of_share, widest) twice, and a packed panel
    i64 panel_numbers = 0;                           // the length of one thread's panel
    i64 block = -1, block_numbers = 0;               // where updates are fused: ∂C/∂W of some units, one a thread
    i64 bytes = 0;
    std::vector<LayerPlan> layers;  // layers[l − 1] is layer l
    std::vector<Step> schedule;     // empty: all layers forward, then all backward, each in places of its own

    // What follows from the others: see `derive`.
    i64 widest = 0;          // units of the widest layer
    i64 row_grain = 1;       // shares of rows are multiples of it
    int loss_kernel = 0;     // the loss's, or its short form's

    int L() const { return (int)layers.size(); }
    const LayerPlan& layer(int l) const { return layers[l - 1]; }
    bool trains() const { return gradient >= 0 || block >= 0; }
};

// Fills in what follows from the rest of a plan.  The widths, skip_from and the loss must be right: see checks.hpp.
inline void derive(Plan& plan) {
    i64 n_in = plan.n_0;
    for (LayerPlan& q : plan.layers) {
        q.n_in = n_in, n_in = q.n;
        if (q.n > plan.widest) plan.widest = q.n;
        if (q.norm == LAYER_NORM) plan.row_grain = norm_block;
    }
    for (auto q = plan.layers.rbegin(); q != plan.layers.rend(); ++q) {
        if (q->skip_from <= 0) continue;
        LayerPlan& source = plan.layers[q->skip_from - 1];
        q->first_skip = !source.skip_source, source.skip_source = true;
    }
    plan.loss_kernel = plan.loss;
    for (int i = 0; plan.short_form && i < length(short_forms); ++i)
        if (short_forms[i].activation == plan.layers.back().activation && short_forms[i].loss == plan.loss)
            plan.loss_kernel = n_losses + i;
}

struct OptimizerPlan {
    UpdateRule rule = SGD;
    double momentum = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
    bool option = false;  // the rule's: Nesterov, RMSprop's momentum, AMSGrad
    double clip_norm = -1, clip_value = -1;  // negative: none
    int slots = 0;        // vectors of its own, each as long as theta
};

}  // namespace backlit
