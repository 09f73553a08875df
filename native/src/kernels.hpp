// The kernels as the engine sees them: one table of functions a number type, filled once an instruction set.
#pragma once
#include <cstdint>

namespace backlit {

using i64 = std::int64_t;

// What a loss is computed from and gives, for the rows of a batch.
// a (m, n): outputs, or scores; the slopes, times each row's share, take their place.  Row i's target is Y[order[i]].
template <class T> struct LossJob {
    T* a;
    const T* Y;
    const i64* order;  // null: rows as they come
    const T* share;    // (m,)
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
    bool nesterov, dry;     // dry: write nothing, only say whether theta would stay finite
    T largest;              // out: the largest magnitude among the new theta and slots
    bool finite;            // out
};

template <class T> struct Kernels {
    const char* name;
    int panel, lanes;  // columns of a packed panel, and of a vector
    i64 panel_rows, copied_step;  // a thread's scratch for products: panel_rows · panel, and rows · copied_step numbers

    void (*activate[14])(T* u, T* a, const T* bias, i64 m, i64 n, T alpha);
    void (*pull_back[14])(T* grad_u, const T* grad_h, const T* u, i64 count, T alpha);
    void (*gather)(const T* X, const T* Y, const i64* order, i64 count, i64 n, i64 n_y, const i64* next, i64 ahead, T* to);
    void (*softmax)(const T* u, T* p, const T* bias, i64 m, i64 n);
    void (*softmax_pull_back)(T* g, const T* p, i64 m, i64 n);
    double (*losses[13])(LossJob<T>& job);

    void (*product_transposed)(i64 m, i64 n, i64 k, const T* A, const T* W, const T* packed, const T* bias, T* C, i64 ldc,
                               T* scratch);
    void (*product)(i64 m, i64 n, i64 k, const T* A, i64 rs, i64 ks, const T* B, i64 ldb, bool add, T* C, i64 ldc, T* scratch);
    void (*product_of_few_inputs)(i64 units, i64 n_in, i64 m, const T* D, i64 ld, const T* X, T* C, T* scratch);
    void (*pack_transposed)(const T* W, i64 n, i64 k, i64 first, i64 last, T* packed);

    void (*layer_norm)(T* z, T* inverse_std, const T* gamma, const T* beta, T eps, T* u, i64 m, i64 n);
    void (*layer_norm_back)(T* delta, const T* grad_u, const T* x, const T* inverse_std, const T* gamma, i64 m, i64 n);
    void (*batch_norm)(T* z, T* mean, T* variance, T* inverse_std, T eps, i64 m, i64 n, i64 first, i64 last);
    void (*batch_norm_back)(T* x, const T* grad_u, const T* inverse_std, const T* gamma, T* grad_gamma, T* grad_beta, i64 m,
                            i64 n, i64 first, i64 last);
    void (*scale_and_shift)(const T* z, const T* mean, const T* variance, T eps, const T* gamma, const T* beta, T* u, i64 m,
                            i64 n);
    void (*column_sums)(const T* d, const T* x, T* s, i64 m, i64 n, i64 first, i64 last);
    void (*apply_mask)(T* a, const unsigned char* kept, T scale, i64 count);
    void (*add_scaled)(T* a, const T* b, T s, bool add, i64 count);

    void (*draw_mask)(unsigned char* kept, std::uint64_t seed, std::uint64_t step, i64 l, i64 first, i64 count, double p);
    void (*measure)(const T* g, i64 count, double* squares, T* largest);
    void (*add_l2)(T* g, const T* W, T l2, i64 count, double* squares);
    void (*update[5])(UpdateJob<T>& job);

    void (*function[7])(const T* x, T* y, i64 count);  // exp, expm1, log, log1p, tanh, erf, erfc: for the tests
};

template <class T> const Kernels<T>& kernels_baseline();
template <class T> const Kernels<T>& kernels_avx2();
template <class T> const Kernels<T>& kernels_avx512();

}  // namespace backlit
