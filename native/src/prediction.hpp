// Outputs and losses of any number of rows, a chunk of plan.m rows at a time, so that memory stays flat.
#pragma once
#include "engine.hpp"

namespace backlit {

// For every chunk, after its forward pass: each(batch, first row, t) for every thread, then after(batch).
template <class T, class F, class G>
void each_chunk(Network<T>& net, const T* X, i64 rows, bool scores, F each, G after) {
    net.pool.run([&] {
        net.pool.phase([&](int t) {
            for (int l = 1; l <= net.L(); ++l) {
                const Range units = partition(net.layer(l).n, t, net.plan.threads, net.k.lanes);
                net.pack(l, units.first, units.last);
            }
        });
        for (i64 first = 0; first < rows; first += net.plan.m) {
            const i64 m = rows - first < net.plan.m ? rows - first : net.plan.m;
            const Batch<T> batch{X + first * net.plan.n_0, nullptr, nullptr, nullptr, m, false};
            net.forward(batch, scores);
            net.pool.phase([&](int t) { each(batch, first, t); });
            after(batch);
        }
    });
}

// backlit.engine.reference.ReferenceEngine.predict: a_L (rows, n_L) into `out`.
template <class T> void predict(Network<T>& net, const T* X, i64 rows, T* out) {
    const LayerPlan& last = net.layer(net.L());
    each_chunk(net, X, rows, false, [&](const Batch<T>& batch, i64 first, int t) {
        const Range r = net.rows(batch.m, t);
        std::memcpy(out + (first + r.first) * last.n, net.at(last.a) + r.first * last.n, sizeof(T) * r.count() * last.n);
    }, [](const Batch<T>&) {});
}

// Σ w_i ℓ_i / Σ w_i over all rows, batch norm by the running moments.  False: an output outside the loss's domain.
template <class T>
bool mean_loss(Network<T>& net, const T* X, const T* Y, const T* weight, i64 rows, double* mean) {
    const LayerPlan& last = net.layer(net.L());
    double total = 0, weights = 0;
    std::vector<char> wrong(net.plan.threads);
    const auto slopes = [&](Batch<T> batch, i64 first, int t) {
        const Range r = net.rows(batch.m, t);
        T* share = net.at(net.plan.share);
        for (i64 i = r.first; i < r.last; ++i) share[i] = weight ? weight[first + i] : (T)1;
        batch.Y = Y + first * last.n;
        wrong[t] |= net.output_slopes(batch, t);
    };
    each_chunk(net, X, rows, net.plan.short_form, slopes, [&](const Batch<T>& batch) { total += net.sum_of_losses(batch.m); });
    bool fine = true;
    for (char outside : wrong) fine &= !outside;
    for (i64 i = 0; i < rows; ++i) weights += weight ? (double)weight[i] : 1.0;
    *mean = total / weights;
    return fine;
}

}  // namespace backlit
