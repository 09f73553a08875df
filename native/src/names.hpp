// The names of all that the engine computes, each written once: these lists make the enums, the sizes of the kernels'
// tables and what Python sees (backlit._native.activations() and so on).  Python passes names; numbers never leave C++.
#pragma once
#include <cstddef>

namespace backlit {

// id, name, its parameter ("" where it takes none).  SOFTMAX comes last: it mixes the units of a row, see rows.hpp.
#define BACKLIT_ACTIVATIONS(X)          \
    X(IDENTITY, "identity", "")         \
    X(SIGMOID, "sigmoid", "")           \
    X(TANH, "tanh", "")                 \
    X(RELU, "relu", "")                 \
    X(LEAKY_RELU, "leaky_relu", "alpha") \
    X(ELU, "elu", "alpha")              \
    X(SELU, "selu", "")                 \
    X(GELU, "gelu", "")                 \
    X(SILU, "silu", "")                 \
    X(SOFTPLUS, "softplus", "")         \
    X(MISH, "mish", "")                 \
    X(HARD_TANH, "hard_tanh", "")       \
    X(SOFTSIGN, "softsign", "")         \
    X(EXP, "exp", "")                   \
    X(SOFTMAX, "softmax", "")

#define BACKLIT_LOSSES(X)                                 \
    X(HALF_SQUARED_ERROR, "half_squared_error", "")       \
    X(SQUARED_ERROR, "squared_error", "")                 \
    X(MEAN_SQUARED_ERROR, "mean_squared_error", "")       \
    X(ABSOLUTE_ERROR, "absolute_error", "")               \
    X(HUBER, "huber", "delta")                            \
    X(QUANTILE, "quantile", "quantile")                   \
    X(CROSS_ENTROPY, "cross_entropy", "")                 \
    X(BINARY_CROSS_ENTROPY, "binary_cross_entropy", "")   \
    X(POISSON, "poisson", "")

// The pairs whose δ at the scores is p − y (core.losses.SHORT_FORMS): activation, loss.
#define BACKLIT_SHORT_FORMS(X)            \
    X(SOFTMAX, CROSS_ENTROPY)             \
    X(SIGMOID, BINARY_CROSS_ENTROPY)      \
    X(IDENTITY, HALF_SQUARED_ERROR)       \
    X(EXP, POISSON)

#define BACKLIT_NORMS(X)         \
    X(BATCH_NORM, "batch", "eps") \
    X(LAYER_NORM, "layer", "eps")

// How a layer's products are shared out: by rows of the batch, by columns, or by columns in blocks that BLAS computes.
#define BACKLIT_PRODUCTS(X)   \
    X(BY_ROWS, "rows", "")    \
    X(BY_COLUMNS, "columns", "") \
    X(BY_BLAS, "blas", "")

// Functions on vectors, for their own tests; the name is the function's in functions.hpp.
#define BACKLIT_FUNCTIONS(X) X(exp) X(expm1) X(log) X(log1p) X(tanh) X(erf) X(erfc)

struct Name {
    const char *name, *parameter;
};

#define ID(id, ...) id,
#define NAME(id, name, parameter) {name, parameter},
#define SHORT_ID(activation, loss) SHORT_##activation,
#define SHORT_PAIR(activation, loss) {activation, loss},
#define FUNCTION_ID(name) FUNCTION_##name,
#define FUNCTION_NAME(name) #name,

enum Activation { BACKLIT_ACTIVATIONS(ID) n_activations };
constexpr Name activation_names[] = {BACKLIT_ACTIVATIONS(NAME)};
constexpr int n_elementwise = SOFTMAX;  // the activations that have a kernel in activations.hpp

// A loss's kernels: the losses on outputs, then the short forms on scores.
enum Loss { BACKLIT_LOSSES(ID) n_losses, first_short = n_losses - 1, BACKLIT_SHORT_FORMS(SHORT_ID) n_loss_kernels };
constexpr Name loss_names[] = {BACKLIT_LOSSES(NAME)};
struct ShortForm {
    Activation activation;
    Loss loss;
};
constexpr ShortForm short_forms[] = {BACKLIT_SHORT_FORMS(SHORT_PAIR)};  // of kernel n_losses + i at i

enum Norm { NO_NORM, BACKLIT_NORMS(ID) n_norms };
constexpr Name norm_names[] = {{"", ""}, BACKLIT_NORMS(NAME)};

enum Product { BACKLIT_PRODUCTS(ID) n_products };
constexpr Name product_names[] = {BACKLIT_PRODUCTS(NAME)};

enum Function { BACKLIT_FUNCTIONS(FUNCTION_ID) n_functions };
constexpr const char* function_names[] = {BACKLIT_FUNCTIONS(FUNCTION_NAME)};

// The rules that are the optimizers' kernels, those that divide by a root of squares last.
enum UpdateRule { SGD, SGD_MOMENTUM, ADAGRAD, RMSPROP, ADAM, n_update_rules };
constexpr bool divides(UpdateRule rule) { return rule > SGD_MOMENTUM; }

// The optimizers of backlit.optim.optimizers: hyperparameters, without the learning rate, which each step brings; rule;
// vectors of its own, each as long as theta; and the hyperparameter that, if it is not 0, brings the rule's option and one
// vector more.  SGD with momentum is a rule of its own.
struct OptimizerName {
    const char *name, *hyperparameters[5];
    UpdateRule rule;
    int slots;
    const char* option;
};
constexpr OptimizerName optimizer_names[] = {
    {"sgd", {"momentum", "nesterov"}, SGD, 0, ""},
    {"adagrad", {"eps"}, ADAGRAD, 1, ""},
    {"rmsprop", {"rho", "eps", "momentum"}, RMSPROP, 1, "momentum"},
    {"adam", {"beta1", "beta2", "eps", "amsgrad"}, ADAM, 2, "amsgrad"},
    {"adamw", {"beta1", "beta2", "eps", "amsgrad", "weight_decay"}, ADAM, 2, "amsgrad"},
};

#undef ID
#undef NAME
#undef SHORT_ID
#undef SHORT_PAIR
#undef FUNCTION_ID
#undef FUNCTION_NAME

template <class T, std::size_t n> constexpr int length(const T (&)[n]) { return (int)n; }
static_assert(n_elementwise + 1 == n_activations, "softmax comes last: the others are the tables of elementwise kernels");
static_assert(length(activation_names) == n_activations && length(loss_names) == n_losses, "a name for each");
static_assert(length(norm_names) == n_norms && length(product_names) == n_products,
              "a name for each");
static_assert(length(function_names) == n_functions, "a name for each");
static_assert(n_loss_kernels == n_losses + length(short_forms), "a kernel for each short form, behind the losses'");

}  // namespace backlit
