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

#include "arrays.hpp"
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

    nb::tuple run(nb::handle theta, nb::handle slots, nb::handle mean, nb::handle variance, std::uint64_t step, nb::handle X,
                  nb::handle Y, nb::handle weight, nb::handle orders, nb::handle rates, std::uint64_t seed, nb::handle stop) {
        const Turn turn(busy);
        after_step = step;
        check_training();
        const Examples data(plan, X, Y, weight);
        const auto parameters = vector<T>(theta, plan.parameters, "theta");
        Held held;
        State<T> state{parameters.data(), {nullptr, nullptr, nullptr}, running<T>(mean, variance, held), step};
        const auto entries = sequence(slots, optimizer.slots, "slots");
        for (size_t i = 0; i < entries.size(); ++i)
            state.slot[i] = vector<T>(entries[i], plan.parameters, text("slots[", i, "]")).data();
        const auto rows = array<Matrix<const i64>>(orders, "orders");
        const i64 epochs = (i64)rows.shape(0), n = (i64)rows.shape(1);
        require(epochs == 1 || n >= 1, "several orders must each have at least one row");
        const auto rate = matrix<const double>(rates, epochs, n / plan.m + (n % plan.m != 0), "rates");
        const Passes passes{epochs, n, rows.data(), rate.data(), seed};
        if (!PyCallable_Check(stop.ptr())) throw nb::type_error("stop must be callable");
        net.theta = parameters.data();
        std::exception_ptr raised;
        const auto poll = [&]() -> bool {
            nb::gil_scoped_acquire gil;  // Python looks for signals while it runs `stop`
            try {
                const int answer = PyObject_IsTrue(stop().ptr());
                if (answer < 0) throw nb::python_error();
                return answer;
            } catch (...) {
                raised = std::current_exception();
                return true;
            }
        };
        std::vector<Epoch> done;
        try {
            nb::gil_scoped_release release;
            done = trainer.run(state, data.all, passes, poll);
        } catch (...) {
            raised = std::current_exception();
        }
        after_step = state.step;
        if (raised) std::rethrow_exception(raised);
        nb::list told;
        for (const Epoch& it : done) told.append(nb::make_tuple((int)it.status, it.costs, it.seen, it.steps, it.batch, it.norms));
        return nb::make_tuple(told, state.step);
    }

    nb::tuple gradient(nb::handle theta, nb::handle X, nb::handle Y, nb::handle weight, nb::handle grad) {
        const Turn turn(busy);
        check_training();
        const auto parameters = vector<const T>(theta, plan.parameters, "theta");
        const Examples data(plan, X, Y, weight);
        require(data.all.examples >= 1 && data.all.examples <= plan.m, "a gradient is of 1 to ", plan.m, " rows, not ",
                data.all.examples);
        const auto to = vector<T>(grad, plan.parameters, "grad");
        net.theta = parameters.data();
        double loss;
        Status status;
        {
            nb::gil_scoped_release release;
            status = trainer.gradient(data.all, to.data(), &loss);
        }
        return nb::make_tuple((int)status, loss);
    }

    nb::tuple partial(nb::handle theta, nb::handle mean, nb::handle variance, nb::handle X, nb::handle Y, nb::handle weight,
                      nb::handle order, double weight_of_step, std::uint64_t seed, std::uint64_t step, std::uint64_t shard,
                      nb::handle grad) {
        const Turn turn(busy);
        check_training();
        const auto parameters = vector<const T>(theta, plan.parameters, "theta");
        Held held;
        RunningStats<T> moments = running<T>(mean, variance, held);
        const Examples data(plan, X, Y, weight);
        const auto rows = array<Vector<const i64>>(order, "order");
        const i64 n = (i64)rows.shape(0);
        require(n >= 1 && n <= plan.m, "a partial gradient is of 1 to ", plan.m, " rows, not ", n);
        require(weight_of_step > 0, "weight_of_step must be above 0, not ", weight_of_step);
        const auto to = vector<T>(grad, plan.parameters, "grad");
        net.theta = parameters.data();
        double loss;
        Status status;
        {
            nb::gil_scoped_release release;
            status = trainer.partial(data.all, rows.data(), n, weight_of_step, seed, step, shard, to.data(), &loss, moments);
        }
        return nb::make_tuple((int)status, loss);
    }

    nb::tuple update(nb::handle theta, nb::handle slots, nb::handle mean, nb::handle variance, std::uint64_t step, nb::handle grad,
                     nb::handle batch_mean, nb::handle batch_variance, i64 rows, double weight, double loss, double rate) {
        const Turn turn(busy);
        check_training();
        require(rows >= 1, "a step has at least one row, not ", rows);
        const auto parameters = vector<T>(theta, plan.parameters, "theta");
        Held held;
        State<T> state{parameters.data(), {nullptr, nullptr, nullptr}, running<T>(mean, variance, held), step};
        const auto entries = sequence(slots, optimizer.slots, "slots");
        for (size_t i = 0; i < entries.size(); ++i)
            state.slot[i] = vector<T>(entries[i], plan.parameters, text("slots[", i, "]")).data();
        const RunningStats<T> moments = running<const T>(batch_mean, batch_variance, held);
        const auto from = vector<T>(grad, plan.parameters, "grad");
        net.theta = parameters.data();
        Epoch epoch;
        {
            nb::gil_scoped_release release;
            epoch = trainer.update(state, from.data(), moments, rows, weight, loss, rate);
        }
        return nb::make_tuple((int)epoch.status, epoch.costs[0], epoch.norms);
    }

    void predict(nb::handle theta, nb::handle mean, nb::handle variance, nb::handle X, nb::handle out) {
        const Turn turn(busy);
        const auto parameters = vector<const T>(theta, plan.parameters, "theta");
        Held held;
        const RunningStats<T> moments = running<const T>(mean, variance, held);
        const auto from = rows_of<const T>(X, plan.n_0, "X");
        const auto to = matrix<T>(out, (i64)from.shape(0), plan.layers.back().n, "out");
        net.theta = parameters.data(), net.running = &moments;
        nb::gil_scoped_release release;
        backlit::predict(net, from.data(), (i64)from.shape(0), to.data());
    }

    nb::tuple loss(nb::handle theta, nb::handle mean, nb::handle variance, nb::handle X, nb::handle Y, nb::handle weight) {
        const Turn turn(busy);
        const auto parameters = vector<const T>(theta, plan.parameters, "theta");
        Held held;
        const RunningStats<T> moments = running<const T>(mean, variance, held);
        const Examples data(plan, X, Y, weight);
        net.theta = parameters.data(), net.running = &moments;
        double value;
        bool fine;
        {
            nb::gil_scoped_release release;
            fine = mean_loss(net, data.all.X, data.all.Y, data.all.weight, data.all.examples, &value);
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

    // The examples of a call, which stay where they are while it lasts.
    struct Examples {
        const Matrix<const T> X, Y;
        std::optional<Vector<const T>> weight;
        Data<T> all;
        Examples(const Plan& plan, nb::handle x, nb::handle y, nb::handle w)
            : X(rows_of<const T>(x, plan.n_0, "X")), Y(matrix<const T>(y, (i64)X.shape(0), plan.layers.back().n, "Y")) {
            if (!w.is_none()) weight = vector<const T>(w, (i64)X.shape(0), "weight");
            all = {X.data(), Y.data(), weight ? weight->data() : nullptr, (i64)X.shape(0)};
        }
    };

    // Batch norm's running moments by layer; `U` is const T where they are only read.
    template <class U> RunningStats<T> running(nb::handle mean, nb::handle variance, Held& held) const {
        return {pointers<U>(mean, "mean", held), pointers<U>(variance, "variance", held)};
    }
    template <class U> std::vector<T*> pointers(nb::handle moments, const char* what, Held& held) const {
        std::vector<T*> found;
        for (const nb::object& own : sequence(moments, plan.layers.size(), what)) {
            held.push_back(own);
            const int l = (int)found.size() + 1;
            const bool needed = plan.layer(l).norm == BATCH_NORM;
            found.push_back(needed ? const_cast<T*>(vector<U>(own, plan.layer(l).n, text(what, "[", l, "]")).data()) : nullptr);
        }
        return found;
    }
};

template <class T> void bind_engine(nb::module_& m, const char* name) {
    using E = Engine<T>;
    const auto any = [](const char* name) { return nb::arg(name).none(); };  // checked by hand, for errors that name it
    nb::class_<E>(m, name)
        .def(nb::init<Plan, const OptimizerPlan&, const std::string&, const std::optional<nb::capsule>&>(), "plan"_a, "optimizer"_a,
             "isa"_a, "gemm"_a.none() = nb::none())
        .def("run", &E::run, nb::kw_only(), any("theta"), any("slots"), any("mean"), any("variance"), "step"_a, any("X"), any("Y"),
             any("weight"), any("orders"), any("rates"), "seed"_a, any("stop"))
        .def("gradient", &E::gradient, nb::kw_only(), any("theta"), any("X"), any("Y"), any("weight"), any("grad"))
        .def("partial", &E::partial, nb::kw_only(), any("theta"), any("mean"), any("variance"), any("X"), any("Y"), any("weight"),
             any("order"), "weight_of_step"_a, "seed"_a, "step"_a, "shard"_a, any("grad"))
        .def("update", &E::update, nb::kw_only(), any("theta"), any("slots"), any("mean"), any("variance"), "step"_a, any("grad"),
             any("batch_mean"), any("batch_variance"), "rows"_a, "weight"_a, "loss"_a, "rate"_a)
        .def("predict", &E::predict, nb::kw_only(), any("theta"), any("mean"), any("variance"), any("X"), any("out"))
        .def("loss", &E::loss, nb::kw_only(), any("theta"), any("mean"), any("variance"), any("X"), any("Y"), any("weight"))
        .def_rw("after_step", &E::after_step)
        .def_prop_ro("forwards", &E::forwards);
}

// Single kernels, for their tests.
template <class T> void apply(const std::string& isa, const std::string& name, nb::handle x, nb::handle y) {
    const auto from = array<Vector<const T>>(x, "x");
    const auto to = vector<T>(y, (i64)from.shape(0), "y");
    for (int i = 0; i < n_functions; ++i)
        if (name == function_names[i]) return kernels<T>(isa).function[i](from.data(), to.data(), (i64)from.shape(0));
    refuse("there is no function '" + name + "'");
}

template <class T>
void activate(const std::string& isa, const std::string& name, const Parameters& parameters, nb::handle u, nb::handle a, nb::handle slope) {
    const Kernels<T>& k = kernels<T>(isa);
    LayerPlan layer;
    set_activation(layer, name, parameters);
    require(layer.activation < n_elementwise, name, " is not elementwise");
    const auto from = array<Vector<const T>>(u, "u");
    const i64 n = (i64)from.shape(0);
    const auto value = vector<T>(a, n, "a"), slopes = vector<T>(slope, n, "slope");
    k.activate[layer.activation](const_cast<T*>(from.data()), value.data(), nullptr, 1, n, (T)layer.alpha);
    for (i64 i = 0; i < n; ++i) slopes.data()[i] = 1;
    k.pull_back[layer.activation](slopes.data(), slopes.data(), from.data(), n, (T)layer.alpha);
}

template <class T> void product(const std::string& isa, bool keep, nb::handle a, nb::handle w, nb::handle bias, nb::handle c) {
    const Kernels<T>& k = kernels<T>(isa);
    const auto A = array<Matrix<const T>>(a, "A");
    const i64 m = (i64)A.shape(0), inner = (i64)A.shape(1);
    require(inner >= 1, "A must have at least one column");
    const auto W = rows_of<const T>(w, inner, "W");
    const i64 n = (i64)W.shape(0);
    const auto b = vector<const T>(bias, n, "bias");
    const auto C = matrix<T>(c, m, n, "C");
    std::vector<T> packed((n + k.panel) * inner), scratch(k.panel_rows * k.panel + m * k.copied_step);
    k.pack_transposed(W.data(), n, inner, 0, n, packed.data());
    ProductJob<T> job;
    job.m = m, job.n = n, job.k = inner, job.A = A.data(), job.row_step = inner, job.B = W.data();
    job.packed = keep ? packed.data() : nullptr, job.bias = b.data();
    job.C = C.data(), job.ldc = n, job.scratch = scratch.data();
    k.product_transposed(job);
}

void mask(std::uint64_t seed, std::uint64_t step, i64 l, i64 first, double p, nb::handle kept, std::uint64_t shard) {
    require(l >= 0, "l must be at least 0, not ", l);
    require(first >= 0 && first <= most_numbers, "first must be at least 0, and a place that can be, not ", first);
    require(p >= 0 && p < 1, "p must be in [0, 1), not ", p);
    const auto to = array<Vector<unsigned char>>(kept, "kept");
    kernels<float>("baseline").draw_mask(to.data(), seed, step, shard, l, first, (i64)to.shape(0), p);
}

template <class T> void bind_kernels(nb::module_& m, const std::string& suffix) {
    const auto any = [](const char* name) { return nb::arg(name).none(); };
    m.def(("apply_" + suffix).c_str(), &apply<T>, "isa"_a, "name"_a, any("x"), any("y"));
    m.def(("activate_" + suffix).c_str(), &activate<T>, "isa"_a, "name"_a, "parameters"_a, any("u"), any("a"), any("slope"));
    m.def(("product_" + suffix).c_str(), &product<T>, "isa"_a, "keep"_a, any("A"), any("W"), any("bias"), any("C"));
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
    }, "isa"_a);
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
    m.def("mask", &mask, "seed"_a, "step"_a, "l"_a, "first"_a, "p"_a, nb::arg("kept").none(), "shard"_a = 0);
}
