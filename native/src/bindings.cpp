// backlit._native: the engine's face to Python.  Shapes and types are checked by native.py before they come here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>

#include "prediction.hpp"
#include "training.hpp"

namespace nb = nanobind;
using namespace backlit;

namespace {

bool has(const std::string& isa) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (isa == "avx2") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == "avx512")
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") && has("avx2");
#endif
    return isa == "baseline";
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> found;
    for (const char* isa : {"avx512", "avx2", "baseline"})
        if (has(isa)) found.push_back(isa);
    return found;
}

template <class T> const Kernels<T>& kernels(const std::string& isa) {
    if (!has(isa)) throw std::invalid_argument("this processor has no " + isa);
#if defined(__x86_64__)
    if (isa == "avx512") return kernels_avx512<T>();
    if (isa == "avx2") return kernels_avx2<T>();
#endif
    return kernels_baseline<T>();
}

template <class T> using Vector = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using Matrix = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T> using Weights = std::optional<Vector<const T>>;
template <class T> using Moments = std::vector<std::optional<Vector<T>>>;

template <class T> class Engine {
  public:
    Engine(Plan plan, OptimizerPlan optimizer, const std::string& isa, std::uintptr_t gemm)
        : plan(std::move(plan)), optimizer(optimizer), table(kernels<T>(isa)),
          workspace(static_cast<unsigned char*>(std::aligned_alloc(64, (this->plan.bytes + 63) / 64 * 64 + 64))),
          net(this->plan, table, Blas<T>{reinterpret_cast<Gemm<T>>(gemm)}, workspace.get()), trainer(net, this->optimizer) {
        if (!workspace) throw std::bad_alloc();
    }

    nb::tuple run(Vector<T> theta, std::vector<Vector<T>> slots, const Moments<T>& mean, const Moments<T>& variance,
                  std::uint64_t step, Matrix<const T> X, Matrix<const T> Y, Weights<T> weight, Vector<const i64> order,
                  Vector<const double> rates, std::uint64_t seed, nb::callable stop) {
        State<T> state{theta.data(), {nullptr, nullptr, nullptr}, running(mean, variance), step};
        for (size_t i = 0; i < slots.size(); ++i) state.slot[i] = slots[i].data();
        net.theta = theta.data();
        const Data<T> data{X.data(), Y.data(), weight ? weight->data() : nullptr, (i64)X.shape(0)};
        std::exception_ptr raised;
        const auto poll = [&]() -> bool {
            nb::gil_scoped_acquire gil;  // Python looks for signals while it runs `stop`
            try {
                return nb::cast<bool>(stop());
            } catch (...) {
                raised = std::current_exception();
                return true;
            }
        };
        Epoch epoch;
        {
            nb::gil_scoped_release release;
            epoch = trainer.run(state, data, order.data(), (i64)order.shape(0), rates.data(), seed, poll);
        }
        if (raised) {
            after_step = state.step;
            std::rethrow_exception(raised);
        }
        return nb::make_tuple((int)epoch.status, epoch.loss, epoch.seen, epoch.steps, epoch.batch, epoch.norms, state.step);
    }

    nb::tuple gradient(Vector<const T> theta, Matrix<const T> X, Matrix<const T> Y, Weights<T> weight, Vector<T> grad) {
        net.theta = theta.data();
        const Data<T> data{X.data(), Y.data(), weight ? weight->data() : nullptr, (i64)X.shape(0)};
        double loss;
        Status status;
        {
            nb::gil_scoped_release release;
            status = trainer.gradient(data, grad.data(), &loss);
        }
        return nb::make_tuple((int)status, loss);
    }

    void predict(Vector<const T> theta, const Moments<T>& mean, const Moments<T>& variance, Matrix<const T> X, Matrix<T> out) {
        const Running<T> moments = running(mean, variance);
        net.theta = theta.data(), net.running = &moments;
        nb::gil_scoped_release release;
        backlit::predict(net, X.data(), (i64)X.shape(0), out.data());
    }

    nb::tuple loss(Vector<const T> theta, const Moments<T>& mean, const Moments<T>& variance, Matrix<const T> X,
                   Matrix<const T> Y, Weights<T> weight) {
        const Running<T> moments = running(mean, variance);
        net.theta = theta.data(), net.running = &moments;
        double value;
        bool fine;
        {
            nb::gil_scoped_release release;
            fine = mean_loss(net, X.data(), Y.data(), weight ? weight->data() : nullptr, (i64)X.shape(0), &value);
        }
        return nb::make_tuple(fine, value);
    }

    std::uint64_t after_step = 0;  // the state's step when `stop` raised

    std::vector<i64> forwards() const { return net.forwards; }

  private:
    Plan plan;
    const OptimizerPlan optimizer;
    const Kernels<T>& table;
    std::unique_ptr<unsigned char, Free> workspace;
    Network<T> net;
    Trainer<T> trainer;

    static Running<T> running(const Moments<T>& mean, const Moments<T>& variance) {
        Running<T> r;
        for (auto& m : mean) r.mean.push_back(m ? const_cast<T*>(m->data()) : nullptr);
        for (auto& v : variance) r.variance.push_back(v ? const_cast<T*>(v->data()) : nullptr);
        return r;
    }
};

template <class T> void bind_engine(nb::module_& m, const char* name) {
    using E = Engine<T>;
    nb::class_<E>(m, name)
        .def(nb::init<Plan, OptimizerPlan, const std::string&, std::uintptr_t>())
        .def("run", &E::run, nb::arg().noconvert(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().noconvert(),
             nb::arg().noconvert(), nb::arg().none(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg(), nb::arg())
        .def("gradient", &E::gradient, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().none(),
             nb::arg().noconvert())
        .def("predict", &E::predict, nb::arg().noconvert(), nb::arg(), nb::arg(), nb::arg().noconvert(), nb::arg().noconvert())
        .def("loss", &E::loss, nb::arg().noconvert(), nb::arg(), nb::arg(), nb::arg().noconvert(), nb::arg().noconvert(),
             nb::arg().none())
        .def_ro("after_step", &E::after_step)
        .def_prop_ro("forwards", &E::forwards);
}

template <class T> void bind_kernels(nb::module_& m, const char* suffix) {
    m.def((std::string("apply_") + suffix).c_str(), [](const std::string& isa, int which, Vector<const T> x, Vector<T> y) {
        kernels<T>(isa).function[which](x.data(), y.data(), (i64)x.shape(0));
    });
    m.def((std::string("activate_") + suffix).c_str(),
          [](const std::string& isa, int phi, double alpha, Vector<const T> u, Vector<T> a, Vector<T> slope) {
              const Kernels<T>& k = kernels<T>(isa);
              const i64 n = (i64)u.shape(0);
              k.activate[phi](const_cast<T*>(u.data()), a.data(), nullptr, 1, n, (T)alpha);
              for (i64 i = 0; i < n; ++i) slope.data()[i] = 1;
              k.pull_back[phi](slope.data(), slope.data(), u.data(), n, (T)alpha);
          });
    m.def((std::string("product_") + suffix).c_str(),
          [](const std::string& isa, bool keep, Matrix<const T> A, Matrix<const T> W, Vector<const T> bias, Matrix<T> C) {
              const Kernels<T>& k = kernels<T>(isa);
              const i64 m = (i64)A.shape(0), n = (i64)W.shape(0), inner = (i64)A.shape(1);
              std::vector<T> packed((n + k.panel) * inner), scratch(k.panel_rows * k.panel + m * k.copied_step);
              k.pack_transposed(W.data(), n, inner, 0, n, packed.data());
              k.product_transposed(m, n, inner, A.data(), W.data(), keep ? packed.data() : nullptr, bias.data(), C.data(), n,
                                   scratch.data());
          });
    m.def((std::string("mask_") + suffix).c_str(),
          [](std::uint64_t seed, std::uint64_t step, i64 l, i64 first, double p, Vector<unsigned char> kept) {
              kernels<T>("baseline").draw_mask(kept.data(), seed, step, l, first, (i64)kept.shape(0), p);
          });
}

}  // namespace

NB_MODULE(_native, m) {
    nb::set_leak_warnings(false);
    m.def("instruction_sets", &instruction_sets);
    m.def("widths", [](const std::string& isa) {  // sizes that plan.py needs; float, then double
        const auto& f = kernels<float>(isa);
        const auto& d = kernels<double>(isa);
        return nb::make_tuple(nb::make_tuple(f.panel, f.lanes, f.panel_rows, f.copied_step),
                              nb::make_tuple(d.panel, d.lanes, d.panel_rows, d.copied_step));
    });
    m.def("pointer", [](nb::capsule c) { return reinterpret_cast<std::uintptr_t>(c.data()); });
    m.def("capsule_name", [](nb::capsule c) { return std::string(c.name() ? c.name() : ""); });

#define FIELD(type, name) .def_rw(#name, &type::name)
    nb::class_<LayerPlan>(m, "LayerPlan").def(nb::init<>())
        FIELD(LayerPlan, n) FIELD(LayerPlan, n_in) FIELD(LayerPlan, phi) FIELD(LayerPlan, norm) FIELD(LayerPlan, alpha)
        FIELD(LayerPlan, eps) FIELD(LayerPlan, dropout) FIELD(LayerPlan, skip_scale) FIELD(LayerPlan, skip_from)
        FIELD(LayerPlan, first_skip) FIELD(LayerPlan, skip_source) FIELD(LayerPlan, train_bias) FIELD(LayerPlan, W)
        FIELD(LayerPlan, b) FIELD(LayerPlan, gamma) FIELD(LayerPlan, beta) FIELD(LayerPlan, z) FIELD(LayerPlan, a)
        FIELD(LayerPlan, delta) FIELD(LayerPlan, grad_a) FIELD(LayerPlan, kept) FIELD(LayerPlan, moments)
        FIELD(LayerPlan, norm_sums) FIELD(LayerPlan, packed) FIELD(LayerPlan, own_forward) FIELD(LayerPlan, own_backward)
        FIELD(LayerPlan, own_gradient) FIELD(LayerPlan, columns) FIELD(LayerPlan, units_at_once);
    nb::class_<Plan>(m, "Plan").def(nb::init<>())
        FIELD(Plan, m) FIELD(Plan, n_0) FIELD(Plan, parameters) FIELD(Plan, widest) FIELD(Plan, threads) FIELD(Plan, loss)
        FIELD(Plan, short_form) FIELD(Plan, mean) FIELD(Plan, loss_parameter) FIELD(Plan, l2) FIELD(Plan, alpha) FIELD(Plan, input)
        FIELD(Plan, share) FIELD(Plan, gradient) FIELD(Plan, scratch_g) FIELD(Plan, scratch_u) FIELD(Plan, panel)
        FIELD(Plan, panel_numbers) FIELD(Plan, block) FIELD(Plan, block_numbers) FIELD(Plan, bytes)
        .def("add", [](Plan& plan, const LayerPlan& layer) { plan.layers.push_back(layer); })
        .def("add_step", [](Plan& plan, bool back, i64 l, i64 z, i64 a, i64 kept) { plan.schedule.push_back({back, l, z, a, kept}); });
    nb::class_<OptimizerPlan>(m, "OptimizerPlan").def(nb::init<>())
        FIELD(OptimizerPlan, kind) FIELD(OptimizerPlan, momentum) FIELD(OptimizerPlan, beta1) FIELD(OptimizerPlan, beta2)
        FIELD(OptimizerPlan, eps) FIELD(OptimizerPlan, weight_decay) FIELD(OptimizerPlan, option)
        FIELD(OptimizerPlan, clip_norm) FIELD(OptimizerPlan, clip_value);

    bind_engine<float>(m, "Engine32");
    bind_engine<double>(m, "Engine64");
    bind_kernels<float>(m, "32");
    bind_kernels<double>(m, "64");
}
