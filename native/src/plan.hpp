// The plan that src/backlit/engine/plan.py makes: where each layer's numbers lie, and how each product is done.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace backlit {

using i64 = std::int64_t;

struct Free {
    void operator()(void* p) const { std::free(p); }
};

enum Norm { NO_NORM, BATCH_NORM, LAYER_NORM };
enum { SOFTMAX = 14 };  // the other activations are numbered in activations.hpp

struct LayerPlan {
    i64 n = 0, n_in = 0;
    int phi = 0, norm = 0;
    double alpha = 0, eps = 0, dropout = 0, skip_scale = 0;
    i64 skip_from = -1;
    bool first_skip = false;   // the highest of the layers that skip from skip_from: it starts their gradient's sum
    bool skip_source = false;  // a later layer skips from this one
    bool train_bias = true;
    i64 units_at_once = 1;     // whose ∂C/∂W is computed, and then measured, while it is in the cache
    i64 W = 0, b = 0, gamma = -1, beta = -1;  // offsets in theta, in numbers

    // Offsets in the workspace, in bytes; -1 where there is none.  (m, n) but where said.
    i64 z = -1;            // z, then u, or with a norm x̂; may be a's
    i64 a = -1;            // a; with a norm first u
    i64 delta = -1;        // δ; may be z's
    i64 grad_a = -1;       // ∂C/∂a where it has a buffer to itself, may be δ's; -1: the thread's scratch
    i64 kept = -1;         // (m, n) bytes, 1 where dropout kept the unit
    i64 moments = -1;      // batch norm: mean, variance, inverse_std (3, n); layer norm: inverse_std (m,)
    i64 norm_sums = -1;    // layer norm: each thread's sums for gamma and beta (threads, 2, n)
    i64 packed = -1;       // Wᵀ in panels, for products of our own

    bool own_forward = true, own_backward = true, own_gradient = true;  // our own product, or BLAS's
    bool columns = false;  // the products of the two passes are split over columns, not over rows
};

// Under a memory limit layers take turns in one pool: layer l forward, with its numbers in these places until it is
// computed again (δ takes z's place), or backward with what it has.
struct Step {
    bool back;
    i64 l, z, a, kept;
};

struct Plan {
    i64 m = 0, n_0 = 0, parameters = 0, widest = 0;
    int threads = 1;
    int loss = 0;
    bool short_form = false, mean = true;
    double loss_parameter = 0, l2 = 0;
    double alpha = -1;                               // where ≥ 0, L2 is alpha over the weight of the batch
    i64 input = -1, share = -1, gradient = -1;      // (m, n_0), (m,), (parameters,)
    i64 scratch_g = -1, scratch_u = -1, panel = -1;  // one a thread: (⌈m/threads⌉, widest) twice, and a packed panel
    i64 panel_numbers = 0;                           // the length of one thread's panel
    i64 block = -1, block_numbers = 0;               // where updates are fused: ∂C/∂W of some units, one a thread
    i64 bytes = 0;
    std::vector<LayerPlan> layers;  // layers[l − 1] is layer l
    std::vector<Step> schedule;     // empty: all layers forward, then all backward, each in places of its own
};

struct OptimizerPlan {
    int kind = 0;
    double momentum = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
    bool option = false;  // Nesterov, RMSprop's momentum, AMSGrad
    double clip_norm = -1, clip_value = -1;  // negative: none
};

}  // namespace backlit
