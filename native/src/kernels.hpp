// The kernels as the engine sees them: one table of functions a number type, filled once an instruction set.  Each kernel
// says with its definition which equation it computes and what shapes its buffers have.
#pragma once
#include <cstdint>

#include "names.hpp"

namespace backlit {

using i64 = std::int64_t;

// C (m, n) = A B (+ bias, or + C): see small_gemm.hpp.  A[i, p] lies at A + i row_step + p k_step.
template <class T> struct ProductJob {
    i64 m = 0, n = 0, k = 0;
    const T* A = nullptr;
    i64 row_step = 0, k_step = 1;
    const T* B = nullptr;       // product: (k, n), rows ldb apart; product_transposed: W (n, k)
    i64 ldb = 0;
    const T* packed = nullptr;  // product_transposed: Wᵀ in panels, or null
    const T* bias = nullptr;    // (n,), added to each row, or null
    bool add = false;           // to what C holds
    T* C = nullptr;
    i64 ldc = 0;
    T* scratch = nullptr;       // a packed panel (panel_rows, panel), then m rows of copied_step
};

// A norm over the rows or the columns of a batch: see rows.hpp.
template <class T> struct NormJob {
    i64 m = 0, n = 0, first = 0, last = 0;  // columns first … last−1, for what goes by columns
    T* z = nullptr;                         // (m, n): z, then x̂; on the way back x̂, then δ
    T* u = nullptr;                         // (m, n): γ x̂ + β
    const T* grad_u = nullptr;              // (m, n)
    T *mean = nullptr, *variance = nullptr;  // (n,)
    T* inverse_std = nullptr;               // batch norm (n,), layer norm (m,)
    const T *gamma = nullptr, *beta = nullptr;  // (n,)
    T *grad_gamma = nullptr, *grad_beta = nullptr;  // (n,); layer norm: sums over each `block` rows
    i64 block = 0;
    T eps = 0;
};

// What a loss is computed from and gives, for the rows of a batch.
// a (m, n): outputs, or scores; the slopes, times each row's share, take their place.  Row i's target is Y[order[i]].
template <class T> struct LossJob {
    T* a;
    const T* Y;
    const i64* order;  // null: rows as they come
    const T* share;    // (m,)
    double* loss;      // (m,), out: share_i ℓ_i
    i64 m, n;
    T parameter;
    bool outside;  // set where an output lies outside the loss's domain
    const T* target(i64 i) const { return Y + (order ? order[i] : i) * n; }
};

// What an optimizer's step needs besides its vectors (backlit.optim.optimizers).  Names as there.
template <class T> struct UpdateJob {
    T *theta, *slot[3];
    const T* g;
    i64 count;
    T scale, limit;         // clipping: g·scale, then into ±limit; the limit is infinite where there is none
    T lr, momentum, beta1, beta2, eps, unbias1, unbias2, decay;  // unbias: 1/(1 − beta^t); decay: 1 − lr·weight_decay
    bool option;            // the rule's own: Nesterov, RMSprop's momentum, AMSGrad
    bool dry;               // write nothing, only say whether theta would stay finite
    T largest;              // out: the largest magnitude among the new theta and slots
    bool finite;            // out
};

// Σ g² and max |g| of a block of numbers.
template <class T> struct Measured {
    double squares;
    T largest;
};

template <class T> struct Kernels {
    const char* name;
    int panel, lanes;  // columns of a packed panel, and of a vector
    i64 panel_rows, copied_step;  // a thread's scratch for products: panel_rows · panel, and rows · copied_step numbers

    void (*activate[n_elementwise])(T* u, T* a, const T* bias, i64 m, i64 n, T alpha);
    void (*pull_back[n_elementwise])(T* grad_u, const T* grad_h, const T* u, i64 count, T alpha);
    void (*gather)(const T* X, const T* Y, const i64* order, i64 count, i64 n, i64 n_y, const i64* next, i64 ahead, T* to);
    void (*softmax)(const T* u, T* p, const T* bias, i64 m, i64 n);
    void (*softmax_pull_back)(T* g, const T* p, i64 m, i64 n);
    void (*losses[n_loss_kernels])(LossJob<T>& job);

    void (*product_transposed)(const ProductJob<T>& job);
    void (*product)(const ProductJob<T>& job);
    void (*product_of_few_inputs)(const ProductJob<T>& job);
    bool (*copies_rows)(i64 row_step, i64 k_step, i64 k);
    void (*pack_transposed)(const T* W, i64 n, i64 k, i64 first, i64 last, T* packed);

    void (*layer_norm)(const NormJob<T>& job);
    void (*layer_norm_back)(const NormJob<T>& job);
    void (*layer_norm_sums)(const NormJob<T>& job);
    void (*batch_norm)(const NormJob<T>& job);
    void (*batch_norm_back)(const NormJob<T>& job);
    void (*scale_and_shift)(const NormJob<T>& job);
    void (*column_sums)(const T* d, T* s, i64 m, i64 n, i64 first, i64 last);
    void (*apply_mask)(T* a, const unsigned char* kept, T scale, i64 count);
    void (*add_scaled)(T* a, const T* b, T s, bool add, i64 count);

    void (*draw_mask)(unsigned char* kept, std::uint64_t seed, std::uint64_t step, std::uint64_t shard, i64 l, i64 first,
                      i64 count, double p);
    void (*measure)(const T* g, i64 count, i64 block, Measured<T>* found);
    void (*add_l2)(T* g, const T* W, T l2, i64 count, i64 block, double* squares);
    void (*update[n_update_rules])(UpdateJob<T>& job);

    void (*function[n_functions])(const T* x, T* y, i64 count);  // for the tests
};

template <class T> const Kernels<T>& kernels_baseline();
template <class T> const Kernels<T>& kernels_avx2();
template <class T> const Kernels<T>& kernels_avx512();

}  // namespace backlit
