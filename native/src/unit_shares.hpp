// Which units are whose: those of all layers in equal work a thread, and the runs of theta that go with them.
#pragma once
#include <vector>

#include "plan.hpp"
#include "thread_pool.hpp"

namespace backlit {

// Units first … last−1 of layer l: whose gradients and updates are one thread's.
struct Task {
    int l;
    i64 first, last;
};

struct UnitShares {
    std::vector<std::vector<Task>> tasks;    // of each thread
    std::vector<std::vector<Range>> ranges;  // runs of theta, of which each is updated by one thread

    // Cut the units of all layers into equal work, each cut at a multiple of a block; and theta accordingly.
    explicit UnitShares(const Plan& plan) : tasks(plan.threads), ranges(plan.threads), plan(plan) {
        const int threads = plan.threads;
        double total = 0, done = 0;
        for (auto& q : plan.layers) total += (double)q.n * q.n_in;
        int t = 0;
        for (int l = 1; l <= plan.L(); ++l) {
            const LayerPlan& q = plan.layer(l);
            const i64 grain = q.product == BY_BLAS ? blas_block : unit_block;
            for (i64 first = 0; first < q.n;) {
                const double room = total * (t + 1) / threads - done;
                i64 units = (i64)(room / q.n_in / grain + 0.5) * grain;
                if (t == threads - 1 || units > q.n - first) units = q.n - first;
                if (units > 0) {
                    tasks[t].push_back({l, first, first + units});
                    add_ranges(t, q, first, first + units);
                }
                first += units, done += (double)units * q.n_in;
                if (first < q.n && t < threads - 1) ++t;
            }
            if (t < threads - 1 && done >= total * (t + 1) / threads * 0.999) ++t;
        }
    }

    // Calls f(l, first, last) for thread t's units, so many at once that their gradient stays in the cache.
    template <class F> void each_block(int t, F f) const {
        for (auto& task : tasks[t]) {
            const i64 block = plan.layer(task.l).units_at_once;
            for (i64 first = task.first; first < task.last; first += block)
                f(task.l, first, first + block < task.last ? first + block : task.last);
        }
    }

  private:
    const Plan& plan;

    void add_ranges(int t, const LayerPlan& q, i64 first, i64 last) {
        auto add = [&](i64 from, i64 to) {
            auto& mine = ranges[t];
            if (!mine.empty() && mine.back().last == from) mine.back().last = to;
            else mine.push_back({from, to});
        };
        add(q.W + first * q.n_in, q.W + last * q.n_in);
        if (q.train_bias) add(q.b + first, q.b + last);
        if (q.norm) add(q.gamma + first, q.gamma + last), add(q.beta + first, q.beta + last);
    }
};

}  // namespace backlit
