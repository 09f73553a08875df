// Epochs: batches, gradients, clipping and updates, by several threads (backlit.engine.reference.ReferenceEngine.run).
#pragma once
#include <algorithm>
#include <cfloat>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "engine.hpp"
#include "unit_shares.hpp"

namespace backlit {

template <class T> struct Data {
    const T *X, *Y, *weight;  // weight may be null
    i64 examples;
};

template <class T> struct State {
    T *theta, *slot[3];
    RunningStats<T> running;
    std::uint64_t step;
};

enum Status { FINISHED, INTERRUPTED, NOT_FINITE, OUTSIDE };

struct Epoch {
    explicit Epoch(int L = 0) : norms(L) {}
    Status status = FINISHED;
    std::vector<double> costs;    // each batch's C times its rows
    i64 seen = 0, steps = 0, batch = 0;  // batch: the index of the one that failed
    std::vector<double> norms;    // (L,) sums over the batches of ‖∂C/∂W_l‖
};

// What is to be learned: epochs one after the other, each with an order of the rows and rates of its own.
struct Passes {
    i64 epochs, rows;
    const i64* order;     // (epochs, rows)
    const double* rates;  // (epochs, batches)
    std::uint64_t seed;   // of the dropout masks
};

// What one thread found out in a step; on cache lines of its own.
template <class T> struct alignas(128) StepStats {
    std::vector<T> delta, a;  // (L + 1,) largest magnitudes of its rows of δ_l and of a_l
    T largest_g = 0, largest_state = 0, found = 0;
    bool finite = true;
    std::vector<Measured<T>> measured;  // of the blocks of units that it looks at
    std::vector<double> squares;

    void reset() { largest_g = 0, found = 0; }
};

// Sums over the gradients and weights of a block of units; added up block after block, whoever computed them.
struct BlockSums {
    long double W = 0, others = 0;  // Σ g² of ∂C/∂W, and of the other gradients
    double l2 = 0;                  // Σ W²
};

// Σ g² for gradients whose squares leave T's range.
template <class T> long double far_squares(const T* g, i64 count) {
    long double total = 0;
    for (i64 i = 0; i < count; ++i) total += (long double)g[i] * g[i];
    return total;
}

template <class T> class Trainer {
  public:
    Trainer(Network<T>& net, const OptimizerPlan& optimizer) : net(net), optimizer(optimizer), parts(net.plan.threads), shares(net.plan) {
        first_block.push_back(0);
        i64 most = 0;
        for (auto& q : net.plan.layers) {
            first_block.push_back(first_block.back() + blocks_of(q.n));
            most = std::max(most, blocks_of(std::min(q.n, q.units_at_once)));
        }
        sums.resize(first_block.back());
        for (auto& part : parts) {
            part.delta.resize(net.L() + 1), part.a.resize(net.L() + 1);
            part.measured.resize(most), part.squares.resize(most);
        }
        net.layer_gradient = [this](int l, const Batch<T>& batch, int t, T* grad) { early_gradient(l, batch, t, grad); };
        if (net.plan.block >= 0) grad_buffer.reset(static_cast<T*>(std::malloc(sizeof(T) * net.plan.parameters)));
        if (net.plan.block >= 0 && !grad_buffer) throw std::bad_alloc();
    }

    // C and ∂C/∂theta over rows 0 … m−1 as one batch, without dropout.
    Status gradient(const Data<T>& data, T* grad, double* loss) {
        const Batch<T> batch{data.X, data.Y, data.weight, nullptr, data.examples, true};
        net.pool.run([&] {
            net.pool.phase([&](int t) { pack_all(t); });
            begin(batch, grad);
            gradients(batch, grad);
        });
        *loss = cost(net.sum_of_losses(batch.m));
        return outside() ? OUTSIDE : FINISHED;
    }

    // What the rows `order` add to C and ∂C/∂theta of a step whose examples weigh `weight_of_step`, without L2; and into
    // `moments` batch norm's mean and variance of these rows.
    Status partial(const Data<T>& data, const i64* order, i64 rows, double weight_of_step, std::uint64_t seed, std::uint64_t step,
                   std::uint64_t shard, T* grad, double* loss, RunningStats<T>& moments) {
        batch_rows.assign(order, order + rows);
        check_rows(batch_rows.data(), rows, data.examples);
        const Batch<T> batch{data.X, data.Y, data.weight, batch_rows.data(), rows, true, true, seed, step, 0, shard, weight_of_step};
        net.pool.run([&] {
            net.pool.phase([&](int t) { pack_all(t); });
            net.passes(batch, grad);
            l2 = 0;
            gradients(batch, grad);
        });
        for_moments([&](i64 l, i64 n, T* mean, T* variance) {
            std::copy_n(mean, n, moments.mean[l - 1]), std::copy_n(variance, n, moments.variance[l - 1]);
        });
        *loss = net.sum_of_losses(rows);
        if (outside()) return OUTSIDE;
        T top = 0;
        for (auto& part : parts)
            if (!(part.largest_g <= top)) top = part.largest_g;
        return std::isfinite(*loss) && std::isfinite(top) ? FINISHED : NOT_FINITE;
    }

    // One step from a gradient that was computed elsewhere, without L2, which is added to it here; loss: its C, likewise.
    // `costs` then holds C itself.
    Epoch update(State<T>& state, T* grad, const RunningStats<T>& moments, i64 rows, double weight, double loss, double rate) {
        Epoch epoch(net.L());
        l2 = net.plan.alpha >= 0 ? net.plan.alpha / weight : net.plan.l2;
        for_moments([&](i64 l, i64 n, T* mean, T* variance) {
            std::copy_n(moments.mean[l - 1], n, mean), std::copy_n(moments.variance[l - 1], n, variance);
        });
        net.pool.run([&] {
            net.pool.phase([&](int t) {
                largest_now(state, t), parts[t].reset();
                shares.each_block(t, [&](int l, i64 first, i64 last) {
                    finish_gradient(t, l, first, last, grad + net.layer(l).W + first * net.layer(l).n_in, grad);
                });
            });
            epoch.status = apply(state, rows, cost(loss), rate, grad);
        });
        epoch.costs = {cost(loss)};
        add_norms(epoch);
        return epoch;
    }

    // One pass after the other; poll() is asked every few milliseconds, true means stop at the batch's edge.  Gives the
    // epochs that were begun, of which the last alone may have another status than FINISHED.
    // Throws std::out_of_range where an order names a row that is not there; `state` then counts the steps before.
    std::vector<Epoch> run(State<T>& state, const Data<T>& data, const Passes& passes, const std::function<bool()>& poll) {
        std::vector<Epoch> epochs;
        check_rows(passes.order, passes.epochs * passes.rows, data.examples);
        if (poll()) epochs.emplace_back(net.L()).status = INTERRUPTED;
        else net.pool.run([&] { work(state, data, passes, poll, epochs); });
        return epochs;
    }

  private:
    Network<T>& net;
    const OptimizerPlan optimizer;
    std::vector<StepStats<T>> parts;
    std::vector<BlockSums> sums;     // of all layers' blocks of units
    std::vector<i64> first_block;    // of layer l in them, at l − 1
    double l2 = 0;
    const UnitShares shares;
    std::vector<i64> batch_rows;     // the rows of the batch: `order` is the caller's, who may write into it meanwhile
    std::unique_ptr<T, Free> grad_buffer;  // where updates are fused: address space, of which biases are touched

    static i64 blocks_of(i64 units) { return (units + unit_block - 1) / unit_block; }

    static void check_rows(const i64* order, i64 rows, i64 examples) {
        for (i64 i = 0; i < rows; ++i)
            if (order[i] < 0 || order[i] >= examples)
                throw std::out_of_range("order names row " + std::to_string(order[i]) + ", and X has rows 0 to " +
                                        std::to_string(examples - 1));
    }

    static constexpr T safe = (T)1e15;  // below it no square, and no quotient by an eps ≥ 1e-12, leaves float's range

    void pack_all(int t) {
        for (auto& task : shares.tasks[t]) net.pack(task.l, task.first, task.last);
    }

    // The two passes; and the L2 of this batch.
    void begin(const Batch<T>& batch, T* grad) {
        l2 = net.plan.alpha >= 0 ? net.plan.alpha / net.total_weight(batch) : net.plan.l2;
        net.passes(batch, grad);
    }

    // The gradients of all parts of theta, after the two passes.
    void gradients(const Batch<T>& batch, T* grad) {
        net.pool.phase([&](int t) {
            parts[t].reset();
            shares.each_block(t, [&](int l, i64 first, i64 last) {
                const LayerPlan& q = net.layer(l);
                part_gradient(batch, t, l, first, last, grad + q.W + first * q.n_in, grad);
            });
        });
    }

    // Under a schedule: layer l's gradient, in the blocks that it is computed in without one, dealt out to the shares.
    void early_gradient(int l, const Batch<T>& batch, int t, T* grad) {
        const LayerPlan& q = net.layer(l);
        int dealt = 0;
        for (int s = 0; s < net.plan.threads; ++s)
            shares.each_block(s, [&](int of, i64 first, i64 last) {
                if (of == l && dealt++ % net.plan.threads == t)
                    net.gradient(l, batch, t, first, last, grad + q.W + first * q.n_in, grad);
            });
    }

    bool outside() const {
        for (char wrong : net.outside)
            if (wrong) return true;
        return false;
    }

    // Of units first … last−1 of layer l: ∂C/∂W (last − first, n_in) into W, the others into `grad`.
    void part_gradient(const Batch<T>& batch, int t, int l, i64 first, i64 last, T* W, T* grad) {
        if (net.plan.schedule.empty()) net.gradient(l, batch, t, first, last, W, grad);  // else early_gradient did
        finish_gradient(t, l, first, last, W, grad);
    }

    // L2 and the sums of squares of the same.
    void finish_gradient(int t, int l, i64 first, i64 last, T* W, T* grad) {
        const LayerPlan& q = net.layer(l);
        StepStats<T>& mine = parts[t];
        const i64 units = last - first, count = units * q.n_in, block = unit_block * q.n_in;
        BlockSums* found = sums.data() + first_block[l - 1] + first / unit_block;
        if (l2) {
            net.k.add_l2(W, net.theta + q.W + first * q.n_in, (T)l2, count, block, mine.squares.data());
            for (i64 i = 0; i < blocks_of(units); ++i) found[i].l2 = mine.squares[i];
        }
        for (i64 i = 0; i < blocks_of(units); ++i) found[i].others = 0;
        measure(W, count, block, mine, [&](i64 i, long double squares) { found[i].W = squares; });
        const auto add = [&](i64 i, long double squares) { found[i].others += squares; };
        measure(grad + q.b + first, units, unit_block, mine, add);
        if (q.norm) {
            measure(grad + q.gamma + first, units, unit_block, mine, add);
            measure(grad + q.beta + first, units, unit_block, mine, add);
        }
    }

    // Calls take(i, Σ g²) for each block of g, and keeps the largest |g|.
    template <class F> void measure(const T* g, i64 count, i64 block, StepStats<T>& mine, F take) {
        net.k.measure(g, count, block, mine.measured.data());
        for (i64 i = 0; i * block < count; ++i) {
            const T top = mine.measured[i].largest;
            long double squares = mine.measured[i].squares;
            const bool far = top > (sizeof(T) == 4 ? (T)1e15 : (T)1e150) ||
                             (top > 0 && top < (sizeof(T) == 4 ? (T)1e-12 : (T)1e-140));
            if (far && top <= std::numeric_limits<T>::max())
                squares = far_squares(g + i * block, std::min(block, count - i * block));
            if (top != top || top > mine.largest_g || mine.largest_g != mine.largest_g)
                mine.largest_g = top + mine.largest_g * 0;
            take(i, squares);
        }
    }

    // C, of the losses' sum and L2.
    double cost(double losses) const {
        double squares = 0;
        if (l2)
            for (auto& block : sums) squares += block.l2;
        return l2 ? losses + l2 / 2 * squares : losses;
    }

    // Calls f(l, n, mean, variance) for each batch norm's moments of the batch, biased variance.
    template <class F> void for_moments(F f) const {
        for (int l = 1; l <= net.L(); ++l) {
            const LayerPlan& q = net.layer(l);
            if (q.norm == BATCH_NORM) f(l, q.n, net.at(q.moments), net.at(q.moments) + q.n);
        }
    }

    // Whether everything is so small that no update can overflow.
    bool is_safe(T largest_g, double rate, const UpdateJob<T>& job) const {
        T top = largest_g;
        for (auto& part : parts)
            if (!(part.largest_state <= top)) top = part.largest_state;
        return top <= safe && std::abs(rate) * job.unbias1 <= 1e3 && (!divides(optimizer.rule) || job.eps >= (T)1e-12);
    }

    UpdateJob<T> job_for(double rate, std::uint64_t t, long double squares) const {
        UpdateJob<T> job{};
        job.lr = (T)rate, job.momentum = (T)optimizer.momentum, job.eps = (T)optimizer.eps, job.option = optimizer.option;
        job.beta1 = (T)optimizer.beta1, job.beta2 = (T)optimizer.beta2;
        job.unbias1 = (T)(1 / (1 - std::pow(optimizer.beta1, (double)t)));
        job.unbias2 = (T)(1 / (1 - std::pow(optimizer.beta2, (double)t)));
        job.decay = (T)(1 - rate * optimizer.weight_decay);
        const double norm = (double)std::sqrt(squares);
        job.scale = optimizer.clip_norm >= 0 && norm > optimizer.clip_norm ? (T)(optimizer.clip_norm / norm) : (T)1;
        job.limit = optimizer.clip_value >= 0 ? (T)optimizer.clip_value : std::numeric_limits<T>::infinity();
        return job;
    }

    // Thread t's part of the update.  `dry`: only look.
    void update(State<T>& state, int t, UpdateJob<T> job, const T* grad, bool dry) {
        StepStats<T>& mine = parts[t];
        job.dry = dry;
        mine.finite = true, mine.found = 0;
        for (const Range& r : shares.ranges[t]) update_range(state, job, r.first, r.last - r.first, grad + r.first, mine);
        if (!dry) mine.largest_state = mine.found;
    }

    void update_range(State<T>& state, UpdateJob<T> job, i64 first, i64 count, const T* g, StepStats<T>& mine) const {
        job.theta = state.theta + first, job.g = g, job.count = count;
        for (int s = 0; s < 3; ++s) job.slot[s] = state.slot[s] ? state.slot[s] + first : nullptr;
        net.k.update[optimizer.rule](job);
        mine.finite &= job.finite;
        if (!(job.largest <= mine.found)) mine.found = job.largest;
    }

    // Gradient and update block by block: ∂C/∂W need not go through memory.  Only where `bound` has shown that all will
    // be finite, for then no step has to be taken back.
    void fused_update(State<T>& state, const Batch<T>& batch, const UpdateJob<T>& job, T* grad) {
        net.pool.phase([&](int t) {
            StepStats<T>& mine = parts[t];
            mine.reset();
            shares.each_block(t, [&](int l, i64 first, i64 last) {
                const LayerPlan& q = net.layer(l);
                T* W = net.at(net.plan.block) + net.plan.block_numbers * t;
                part_gradient(batch, t, l, first, last, W, grad);
                update_range(state, job, q.W + first * q.n_in, (last - first) * q.n_in, W, mine);
                net.pack(l, first, last);
                if (q.train_bias) update_range(state, job, q.b + first, last - first, grad + q.b + first, mine);
                if (!q.norm) return;
                update_range(state, job, q.gamma + first, last - first, grad + q.gamma + first, mine);
                update_range(state, job, q.beta + first, last - first, grad + q.beta + first, mine);
            });
            mine.largest_state = mine.found;
            follow_moments(state, t, batch.m);
        });
    }

    // What no gradient exceeds: ∂C/∂W_l stays below m max|δ_l| max|a_{l−1}|, ∂C/∂b_l below m max|δ_l|, and L2 adds at most
    // λ max|W|; the gradients of gamma and beta, or the sums for them over blocks of rows, are there already.
    T bound(const Batch<T>& batch, const T* grad) {
        net.pool.phase([&](int t) {
            const Range r = net.rows(batch.m, t);
            for (int l = 0; l <= net.L(); ++l) {
                const i64 n = l ? net.layer(l).n : net.plan.n_0;
                if (l < net.L()) parts[t].a[l] = largest_of(net.activation(l, batch) + r.first * n, r.count() * n);
                if (l) parts[t].delta[l] = largest_of(net.at(net.layer(l).delta) + r.first * n, r.count() * n);
            }
        });
        T top = 0, state = 0;
        auto take = [](T& most, T x) { if (!(x <= most)) most = x; };
        for (auto& part : parts) take(state, part.largest_state);
        for (int l = 1; l <= net.L(); ++l) {
            T a = 1, delta = 0;
            for (auto& part : parts) take(a, part.a[l - 1]), take(delta, part.delta[l]);
            take(top, (T)batch.m * delta * a + (T)l2 * state);
            const LayerPlan& q = net.layer(l);
            if (q.norm == BATCH_NORM) take(top, largest_of(grad + q.gamma, q.n)), take(top, largest_of(grad + q.beta, q.n));
            const i64 blocks = net.norm_blocks(batch.m);
            if (q.norm == LAYER_NORM) take(top, (T)blocks * largest_of(net.at(q.norm_sums), 2 * blocks * q.n));
        }
        return top;
    }

    T largest_of(const T* v, i64 count) const {
        Measured<T> found{};
        if (count) net.k.measure(v, count, count, &found);
        return found.largest;
    }

    // core.norms.Statistics.update [BN5] [BN6] for thread t's units.
    void follow_moments(State<T>& state, int t, i64 m) {
        for (auto& task : shares.tasks[t]) {
            const LayerPlan& q = net.layer(task.l);
            if (q.norm != BATCH_NORM) continue;
            const T *mean = net.at(q.moments), *variance = mean + q.n;
            const T unbias = (T)((double)m / (double)(m > 1 ? m - 1 : 1));
            T *kept_mean = state.running.mean[task.l - 1], *kept_variance = state.running.variance[task.l - 1];
            for (i64 j = task.first; j < task.last; ++j) {
                kept_mean[j] += (T)0.1 * (mean[j] - kept_mean[j]);
                kept_variance[j] += (T)0.1 * (variance[j] * unbias - kept_variance[j]);
            }
        }
    }

    void largest_now(const State<T>& state, int t) {
        T top = 0;
        for (const Range& r : shares.ranges[t]) {
            const T* vectors[4] = {state.theta, state.slot[0], state.slot[1], state.slot[2]};
            for (const T* v : vectors) {
                const T largest = v ? largest_of(v + r.first, r.last - r.first) : (T)0;
                if (!(largest <= top)) top = largest;
            }
        }
        parts[t].largest_state = top;
    }

    void work(State<T>& state, const Data<T>& data, const Passes& passes, const std::function<bool()>& poll,
              std::vector<Epoch>& epochs) {
        auto asked = std::chrono::steady_clock::now();
        const auto stopped = [&] {
            const auto now = std::chrono::steady_clock::now();
            if (now - asked < std::chrono::milliseconds(5)) return false;
            asked = now;
            return poll();
        };
        net.pool.phase([&](int t) { pack_all(t), largest_now(state, t); });
        const i64 batches = (passes.rows + net.plan.m - 1) / net.plan.m;
        for (i64 e = 0; e < passes.epochs; ++e) {
            Epoch& epoch = epochs.emplace_back(net.L());
            pass(state, data, passes.order + e * passes.rows, passes.rows, passes.rates + e * batches, passes.seed, stopped, epoch);
            if (epoch.status != FINISHED) return;
        }
    }

    // One step for each batch of the rows `order`.
    template <class F>
    void pass(State<T>& state, const Data<T>& data, const i64* order, i64 rows, const double* rates, std::uint64_t seed, F& stopped,
              Epoch& epoch) {
        T* grad = grad_buffer ? grad_buffer.get() : net.at(net.plan.gradient);
        for (i64 first = 0, index = 0; first < rows; first += net.plan.m, ++index) {
            const i64 m = rows - first < net.plan.m ? rows - first : net.plan.m;
            const i64 ahead = std::min(rows - first - m, net.plan.m);
            batch_rows.assign(order + first, order + first + m + ahead);
            check_rows(batch_rows.data(), m + ahead, data.examples);
            const Batch<T> batch{data.X, data.Y, data.weight, batch_rows.data(), m, true, true, seed, state.step, ahead};
            if (net.total_weight(batch) == 0) continue;
            epoch.status = step(state, batch, rates[index], grad);
            epoch.batch = index;
            if (epoch.status != FINISHED) return;
            account(epoch, m, cost(net.sum_of_losses(m)));
            if (stopped()) {
                epoch.status = INTERRUPTED;
                return;
            }
        }
    }

    // The two passes, clipping and update, or no update where something is not finite.
    Status step(State<T>& state, const Batch<T>& batch, double rate, T* grad) {
        begin(batch, grad);
        if (outside()) return OUTSIDE;
        if (grad_buffer) {
            const UpdateJob<T> job = job_for(rate, state.step + 1, 0);
            if (std::isfinite(net.sum_of_losses(batch.m)) && is_safe(bound(batch, grad), rate, job)) {
                fused_update(state, batch, job, grad);
                ++state.step;
                return FINISHED;
            }
        }
        gradients(batch, grad);
        return apply(state, batch.m, cost(net.sum_of_losses(batch.m)), rate, grad);
    }

    // Clipping and update, after `gradients` or what stands for it.
    Status apply(State<T>& state, i64 m, double loss, double rate, const T* grad) {
        long double squares = 0;
        T top = 0;
        for (auto& block : sums) squares += block.W + block.others;
        for (auto& part : parts)
            if (!(part.largest_g <= top)) top = part.largest_g;
        if (!std::isfinite(loss) || !std::isfinite(top)) return NOT_FINITE;
        const UpdateJob<T> job = job_for(rate, state.step + 1, squares);
        if (!is_safe(top, rate, job)) {
            net.pool.phase([&](int t) { update(state, t, job, grad, true); });
            for (auto& part : parts)
                if (!part.finite) return NOT_FINITE;
        }
        net.pool.phase([&](int t) {
            update(state, t, job, grad, false);
            pack_all(t);
            follow_moments(state, t, m);
        });
        ++state.step;
        return FINISHED;
    }

    void account(Epoch& epoch, i64 m, double loss) {
        epoch.costs.push_back(loss * (double)m), epoch.seen += m, ++epoch.steps;
        add_norms(epoch);
    }

    void add_norms(Epoch& epoch) const {
        for (int l = 0; l < net.L(); ++l) {
            long double squares = 0;
            for (i64 i = first_block[l]; i < first_block[l + 1]; ++i) squares += sums[i].W;
            epoch.norms[l] += (double)std::sqrt(squares);
        }
    }
};

}  // namespace backlit
