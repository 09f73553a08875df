// The kernels of one instruction set: CMake compiles this file once for each, with its flags and BACKLIT_ISA.
#include "kernels.hpp"

#include "activations.hpp"
#include "losses.hpp"
#include "rows.hpp"
#include "small_gemm.hpp"
#include "updates.hpp"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

namespace backlit {
namespace BACKLIT_ISA {

template <class T, V<T> (*g)(V<T>)> void apply(const T* x, T* y, i64 count) {
    each_vector<T>(count, [&](i64 i, int k) INLINE_LAMBDA { store_n<T>(y + i, g(load_n<T>(x + i, k)), k); });
}

template <class T, int... phi> void fill_activations(Kernels<T>& t, std::integer_sequence<int, phi...>) {
    ((t.activate[phi] = activate<T, phi>), ...);
    ((t.pull_back[phi] = pull_back<T, phi>), ...);
}
template <class T, int... kind> void fill_losses(Kernels<T>& t, std::integer_sequence<int, kind...>) {
    ((t.losses[kind] = losses<T, kind>), ...);
}
template <class T, int... kind> void fill_updates(Kernels<T>& t, std::integer_sequence<int, kind...>) {
    ((t.update[kind] = update<T, kind>), ...);
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

template <class T> Kernels<T> table() {
    Kernels<T> t{};
    t.name = TEXT(BACKLIT_ISA);
    t.panel = panel<T>;
    t.lanes = N<T>;
    t.panel_rows = longest_panel;
    t.copied_step = copied_step;
    fill_activations(t, std::make_integer_sequence<int, n_elementwise>{});
    fill_losses(t, std::make_integer_sequence<int, n_loss_kernels>{});
    fill_updates(t, std::make_integer_sequence<int, n_update_rules>{});
    t.gather = gather<T>;
    t.softmax = softmax<T>;
    t.softmax_pull_back = softmax_pull_back<T>;
    t.product_transposed = product_transposed<T>;
    t.product = product<T>;
    t.product_of_few_inputs = product_of_few_inputs<T>;
    t.copies_rows = copies_rows<T>;
    t.pack_transposed = pack_transposed<T>;
    t.layer_norm = layer_norm<T>;
    t.layer_norm_back = layer_norm_back<T>;
    t.layer_norm_sums = layer_norm_sums<T>;
    t.batch_norm = batch_norm<T>;
    t.batch_norm_back = batch_norm_back<T>;
    t.scale_and_shift = scale_and_shift<T>;
    t.column_sums = column_sums<T>;
    t.apply_mask = apply_mask<T>;
    t.add_scaled = add_scaled<T>;
    t.draw_mask = draw_mask<T>;
    t.measure = measure<T>;
    t.add_l2 = add_l2<T>;
#define FILL_FUNCTION(name) t.function[FUNCTION_##name] = apply<T, name<T>>;
    BACKLIT_FUNCTIONS(FILL_FUNCTION)
    return t;
}

}  // namespace BACKLIT_ISA

template <> const Kernels<float>& JOIN(kernels_, BACKLIT_ISA)<float>() {
    static const Kernels<float> t = BACKLIT_ISA::table<float>();
    return t;
}
template <> const Kernels<double>& JOIN(kernels_, BACKLIT_ISA)<double>() {
    static const Kernels<double> t = BACKLIT_ISA::table<double>();
    return t;
}

}  // namespace backlit
