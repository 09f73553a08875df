// backlit._native: the engine's face to Python.  Whatever it is called with, it computes what was meant or raises; a plan
// is checked when an engine is made of it (checks.hpp), and each call's arrays are checked against that plan here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>

#include "checks.hpp"
#include "lookup.hpp"
#include "prediction.hpp"
#include "training.hpp"

namespace nb = nanobind;
using namespace nb::literals;
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
    require(has(isa), "this processor has no instruction set '", isa, "'");
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

template <class A> void check_aligned(const A& array, const char* what) {
    const auto address = reinterpret_cast<std::uintptr_t>(array.data());
    require(address % array.itemsize() == 0, what, " is not aligned: np.require(..., requirements=\"A\") makes it so");
}
template <class A> void check_vector(const A& vector, i64 length, const std::string& what) {
    require((i64)vector.shape(0) == length, what, " must have ", length, " numbers, not ", vector.shape(0));
    check_aligned(vector, what.c_str());
}
template <class A> void check_matrix(const A& matrix, i64 rows, i64 columns, const char* what) {
    require((i64)matrix.shape(0) == rows && (i64)matrix.shape(1) == columns, what, " must have shape (", rows, ", ", columns,
            "), not (", matrix.shape(0), ", ", matrix.shape(1), ")");
    check_aligned(matrix, what);
}

// The gemm in a capsule of scipy.linalg.cython_blas, whose name is its C signature: sgemm for float, dgemm for double.
template <class T> Blas<T> blas_of(const std::optional<nb::capsule>& capsule) {
    if (!capsule) return {};
    const std::string name = capsule->name() ? capsule->name() : "";
    const std::string alias = sizeof(T) == 4 ? "__pyx_t_5scipy_6linalg_11cython_blas_s *" : "__pyx_t_5scipy_6linalg_11cython_blas_d *";
    const auto signature = [](const std::string& x) {
        return "void (char *, char *, int *, int *, int *, " + x + ", " + x + ", int *, " + x + ", int *, " + x + ", " + x + ", int *)";
    };
    require(name == signature(alias) || name == signature(sizeof(T) == 4 ? "float *" : "double *"),
            "this is no gemm of these numbers with arguments of int: ", name);
    return {reinterpret_cast<Gemm<T>>(capsule->data())};
}

// One call at a time: the workspace is one, and a second call, from another thread or from within `stop`, would write over it.
class Turn {
  public:
    explicit Turn(std::atomic<bool>& busy) : busy(busy) {
        if (busy.exchange(true)) throw std::runtime_error("this engine is at work: wait for its call to end, or make another engine");
    }
    ~Turn() { busy.store(false); }

  private:
    std::atomic<bool>& busy;
};

template <class T> class Engine {
  public:
    Engine(Plan given, const OptimizerPlan& optimizer, const std::string& isa, const std::optional<nb::capsule>& gemm)
        : table(kernels<T>(isa)), plan(checked(std::move(given), table, gemm.has_value())), optimizer(optimizer),
          workspace(allocated(plan.bytes)), net(plan, table, blas_of<T>(gemm), workspace.get()), trainer(net, optimizer) {}

    nb::tuple run(Vector<T> theta, const std::vector<Vector<T>>& slots, const Moments<T>& mean, const Moments<T>& variance,
                  std::uint64_t step, Matrix<const T> X, Matrix<const T> Y, const Weights<T>& weight, Vector<const i64> order,
                  Vector<const double> rates, std::uint64_t seed, nb::callable stop) {
        const Turn turn(busy);
        after_step = step;
        check_training();
        const Data<T> data = checked_data(X, Y, weight);
        State<T> state{checked_theta(theta), {nullptr, nullptr, nullptr}, running(mean, variance), step};
        require((int)slots.size() == optimizer.slots, "the optimizer has ", optimizer.slots, " slots, not ", slots.size());
        for (size_t i = 0; i < slots.size(); ++i) {
            check_vector(slots[i], plan.parameters, text("slot ", i));
            state.slot[i] = slots[i].data();
        }
        const i64 rows = (i64)order.shape(0);
        check_aligned(order, "order");
        check_vector(rates, rows / plan.m + (rows % plan.m != 0), "rates");
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
        try {
            nb::gil_scoped_release release;
            epoch = trainer.run(state, data, order.data(), rows, rates.data(), seed, poll);
        } catch (...) {
            raised = std::current_exception();
        }
        if (raised) {
            after_step = state.step;
            std::rethrow_exception(raised);
        }
        return nb::make_tuple((int)epoch.status, epoch.loss, epoch.seen, epoch.steps, epoch.batch, epoch.norms, state.step);
    }

    nb::tuple gradient(Vector<const T> theta, Matrix<const T> X, Matrix<const T> Y, const Weights<T>& weight, Vector<T> grad) {
        const Turn turn(busy);
        check_training();
        checked_theta(theta);
        const Data<T> data = checked_data(X, Y, weight);
        require(data.examples >= 1 && data.examples <= plan.m, "a gradient is of 1 to ", plan.m, " rows, not ", data.examples);
        check_vector(grad, plan.parameters, "grad");
        double loss;
        Status status;
        {
            nb::gil_scoped_release release;
            status = trainer.gradient(data, grad.data(), &loss);
        }
        return nb::make_tuple((int)status, loss);
    }

    void predict(Vector<const T> theta, const Moments<const T>& mean, const Moments<const T>& variance, Matrix<const T> X,
                 Matrix<T> out) {
        const Turn turn(busy);
        checked_theta(theta);
        const RunningStats<T> moments = running(mean, variance);
        check_matrix(X, (i64)X.shape(0), plan.n_0, "X");
        check_matrix(out, (i64)X.shape(0), plan.layers.back().n, "out");
        net.running = &moments;
        nb::gil_scoped_release release;
        backlit::predict(net, X.data(), (i64)X.shape(0), out.data());
    }

    nb::tuple loss(Vector<const T> theta, const Moments<const T>& mean, const Moments<const T>& variance, Matrix<const T> X,
                   Matrix<const T> Y, const Weights<T>& weight) {
        const Turn turn(busy);
        checked_theta(theta);
        const RunningStats<T> moments = running(mean, variance);
        const Data<T> data = checked_data(X, Y, weight);
        net.running = &moments;
        double value;
        bool fine;
        {
            nb::gil_scoped_release release;
            fine = mean_loss(net, data.X, data.Y, data.weight, data.examples, &value);
        }
        return nb::make_tuple(fine, value);
    }

    std::uint64_t after_step = 0;  // the state's step when the last `run` raised

    std::vector<i64> forwards() {
        const Turn turn(busy);
        return net.forwards;
    }

  private:
    const Kernels<T>& table;
    Plan plan;
    const OptimizerPlan optimizer;
    std::unique_ptr<unsigned char, Free> workspace;
    Network<T> net;
    Trainer<T> trainer;
    std::atomic<bool> busy{false};

    static Plan checked(Plan plan, const Kernels<T>& table, bool has_gemm) {
        PlanChecks<T>(plan, table, has_gemm).all();
        return plan;
    }
    static unsigned char* allocated(i64 bytes) {
        void* place = std::aligned_alloc(alignment, (size_t)(bytes + alignment - 1) / alignment * alignment + alignment);
        if (!place) throw std::bad_alloc();
        return static_cast<unsigned char*>(place);
    }

    void check_training() const { require(plan.trains(), "this engine's plan is for predictions: it has no place for a gradient"); }

    template <class U> U* checked_theta(const Vector<U>& theta) {
        check_vector(theta, plan.parameters, "theta");
        net.theta = theta.data();
        return theta.data();
    }

    Data<T> checked_data(const Matrix<const T>& X, const Matrix<const T>& Y, const Weights<T>& weight) const {
        const i64 rows = (i64)X.shape(0);
        check_matrix(X, rows, plan.n_0, "X");
        check_matrix(Y, rows, plan.layers.back().n, "Y");
        if (weight) check_vector(*weight, rows, "weight");
        return {X.data(), Y.data(), weight ? weight->data() : nullptr, rows};
    }

    // Batch norm's running moments by layer; `U` is const T where they are only read.
    template <class U> RunningStats<T> running(const Moments<U>& mean, const Moments<U>& variance) const {
        return {pointers(mean, "mean"), pointers(variance, "variance")};
    }
    template <class U> std::vector<T*> pointers(const Moments<U>& moments, const char* what) const {
        require((int)moments.size() == plan.L(), what, " must have an entry for each of ", plan.L(), " layers, not ", moments.size());
        std::vector<T*> found;
        for (int l = 1; l <= plan.L(); ++l) {
            const auto& own = moments[l - 1];
            require(own || plan.layer(l).norm != BATCH_NORM, what, "[", l, "] is missing: layer ", l, " has batch norm");
            if (own) check_vector(*own, plan.layer(l).n, text(what, "[", l, "]"));
            found.push_back(own ? const_cast<T*>(own->data()) : nullptr);
        }
        return found;
    }
};

template <class T> void bind_engine(nb::module_& m, const char* name) {
    using E = Engine<T>;
    const auto fixed = [](const char* name) { return nb::arg(name).noconvert(); };  // no copy: what is written must arrive
    nb::class_<E>(m, name)
        .def(nb::init<Plan, const OptimizerPlan&, const std::string&, const std::optional<nb::capsule>&>(), "plan"_a, "optimizer"_a,
             "isa"_a, "gemm"_a.none() = nb::none())
        .def("run", &E::run, nb::kw_only(), fixed("theta"), fixed("slots"), fixed("mean"), fixed("variance"), "step"_a, fixed("X"),
             fixed("Y"), fixed("weight").none(), fixed("order"), fixed("rates"), "seed"_a, "stop"_a)
        .def("gradient", &E::gradient, nb::kw_only(), fixed("theta"), fixed("X"), fixed("Y"), fixed("weight").none(), fixed("grad"))
        .def("predict", &E::predict, nb::kw_only(), fixed("theta"), fixed("mean"), fixed("variance"), fixed("X"), fixed("out"))
        .def("loss", &E::loss, nb::kw_only(), fixed("theta"), fixed("mean"), fixed("variance"), fixed("X"), fixed("Y"),
             fixed("weight").none())
        .def_rw("after_step", &E::after_step)
        .def_prop_ro("forwards", &E::forwards);
}

// Single kernels, for their tests.
template <class T> void bind_kernels(nb::module_& m, const std::string& suffix) {
    m.def(("apply_" + suffix).c_str(), [](const std::string& isa, const std::string& name, Vector<const T> x, Vector<T> y) {
        check_vector(x, (i64)x.shape(0), "x"), check_vector(y, (i64)x.shape(0), "y");
        for (int i = 0; i < n_functions; ++i)
            if (name == function_names[i]) return kernels<T>(isa).function[i](x.data(), y.data(), (i64)x.shape(0));
        refuse("there is no function '" + name + "'");
    }, "isa"_a, "name"_a, "x"_a.noconvert(), "y"_a.noconvert());
    m.def(("activate_" + suffix).c_str(),
          [](const std::string& isa, const std::string& name, const Parameters& parameters, Vector<const T> u, Vector<T> a, Vector<T> slope) {
              const Kernels<T>& k = kernels<T>(isa);
              LayerPlan layer;
              set_activation(layer, name, parameters);
              require(layer.activation < n_elementwise, name, " is not elementwise");
              const i64 n = (i64)u.shape(0);
              check_vector(u, n, "u"), check_vector(a, n, "a"), check_vector(slope, n, "slope");
              k.activate[layer.activation](const_cast<T*>(u.data()), a.data(), nullptr, 1, n, (T)layer.alpha);
              for (i64 i = 0; i < n; ++i) slope.data()[i] = 1;
              k.pull_back[layer.activation](slope.data(), slope.data(), u.data(), n, (T)layer.alpha);
          }, "isa"_a, "name"_a, "parameters"_a, "u"_a.noconvert(), "a"_a.noconvert(), "slope"_a.noconvert());
    m.def(("product_" + suffix).c_str(),
          [](const std::string& isa, bool keep, Matrix<const T> A, Matrix<const T> W, Vector<const T> bias, Matrix<T> C) {
              const Kernels<T>& k = kernels<T>(isa);
              const i64 m = (i64)A.shape(0), n = (i64)W.shape(0), inner = (i64)A.shape(1);
              require(inner >= 1, "A must have at least one column");
              check_matrix(A, m, inner, "A"), check_matrix(W, n, inner, "W"), check_vector(bias, n, "bias"), check_matrix(C, m, n, "C");
              std::vector<T> packed((n + k.panel) * inner), scratch(k.panel_rows * k.panel + m * k.copied_step);
              k.pack_transposed(W.data(), n, inner, 0, n, packed.data());
              ProductJob<T> job;
              job.m = m, job.n = n, job.k = inner, job.A = A.data(), job.row_step = inner, job.B = W.data();
              job.packed = keep ? packed.data() : nullptr, job.bias = bias.data();
              job.C = C.data(), job.ldc = n, job.scratch = scratch.data();
              k.product_transposed(job);
          }, "isa"_a, "keep"_a, "A"_a.noconvert(), "W"_a.noconvert(), "bias"_a.noconvert(), "C"_a.noconvert());
    m.def(("mask_" + suffix).c_str(),
          [](std::uint64_t seed, std::uint64_t step, i64 l, i64 first, double p, Vector<unsigned char> kept) {
              require(l >= 0, "l must be at least 0, not ", l);
              require(first >= 0 && first <= most_numbers, "first must be at least 0, and a place that can be, not ", first);
              require(p >= 0 && p < 1, "p must be in [0, 1), not ", p);
              kernels<T>("baseline").draw_mask(kept.data(), seed, step, l, first, (i64)kept.shape(0), p);
          }, "seed"_a, "step"_a, "l"_a, "first"_a, "p"_a, "kept"_a.noconvert());
}

// {name: (its parameters)} of a list of names.
template <std::size_t n> nb::dict listed(const Name (&names)[n]) {
    nb::dict found;
    for (auto& it : names)
        if (*it.name) found[it.name] = *it.parameter ? nb::make_tuple(it.parameter) : nb::make_tuple();
    return found;
}

void bind_names(nb::module_& m) {
    m.def("activations", [] { return listed(activation_names); });
    m.def("losses", [] { return listed(loss_names); });
    m.def("norms", [] { return listed(norm_names); });
    m.def("short_forms", [] {
        nb::list found;
        for (auto& pair : short_forms)
            found.append(nb::make_tuple(activation_names[pair.activation].name, loss_names[pair.loss].name));
        return found;
    });
    m.def("optimizers", [] {
        nb::dict found;
        for (auto& it : optimizer_names) {
            nb::list names;
            for (const char* key : it.hyperparameters)
                if (key) names.append(key);
            found[it.name] = nb::tuple(names);
        }
        return found;
    });
    m.def("functions", [] {
        nb::list found;
        for (const char* name : function_names) found.append(name);
        return found;
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
    bind_names(m);

#define FIELD(type, name) .def_rw(#name, &type::name)
    nb::class_<LayerPlan>(m, "LayerPlan").def(nb::init<>())
        FIELD(LayerPlan, n) FIELD(LayerPlan, eps) FIELD(LayerPlan, dropout) FIELD(LayerPlan, skip_scale) FIELD(LayerPlan, skip_from)
        FIELD(LayerPlan, train_bias) FIELD(LayerPlan, W) FIELD(LayerPlan, b) FIELD(LayerPlan, gamma) FIELD(LayerPlan, beta)
        FIELD(LayerPlan, z) FIELD(LayerPlan, a) FIELD(LayerPlan, delta) FIELD(LayerPlan, grad_a) FIELD(LayerPlan, kept)
        FIELD(LayerPlan, moments) FIELD(LayerPlan, norm_sums) FIELD(LayerPlan, packed) FIELD(LayerPlan, units_at_once)
        .def("set_activation", &set_activation, "name"_a, "parameters"_a)
        .def("set_norm", [](LayerPlan& q, const std::string& name) { q.norm = (Norm)find(norm_names, name, "norm"); }, "name"_a)
        .def("set_product", [](LayerPlan& q, const std::string& name) { q.product = (Product)find(product_names, name, "product"); },
             "name"_a);
    nb::class_<Plan>(m, "Plan").def(nb::init<>())
        FIELD(Plan, m) FIELD(Plan, n_0) FIELD(Plan, parameters) FIELD(Plan, threads) FIELD(Plan, short_form) FIELD(Plan, mean)
        FIELD(Plan, l2) FIELD(Plan, alpha) FIELD(Plan, input) FIELD(Plan, share) FIELD(Plan, losses) FIELD(Plan, gradient)
        FIELD(Plan, scratch_g) FIELD(Plan, scratch_u) FIELD(Plan, panel) FIELD(Plan, panel_numbers) FIELD(Plan, block)
        FIELD(Plan, block_numbers) FIELD(Plan, bytes)
        .def("set_loss", &set_loss, "name"_a, "parameters"_a)
        .def("add", [](Plan& plan, const LayerPlan& layer) { plan.layers.push_back(layer); }, "layer"_a)
        .def("add_step", [](Plan& plan, bool back, i64 l, i64 z, i64 a, i64 kept) { plan.schedule.push_back({back, l, z, a, kept}); },
             "back"_a, "l"_a, "z"_a, "a"_a, "kept"_a);
    nb::class_<OptimizerPlan>(m, "OptimizerPlan")
        .def("__init__", [](OptimizerPlan* plan, const std::string& name, const Parameters& given) {
            new (plan) OptimizerPlan(optimizer_plan(name, given));
        }, "name"_a, "hyperparameters"_a)
        FIELD(OptimizerPlan, clip_norm) FIELD(OptimizerPlan, clip_value);

    bind_engine<float>(m, "Engine32");
    bind_engine<double>(m, "Engine64");
    bind_kernels<float>(m, "32");
    bind_kernels<double>(m, "64");
}
