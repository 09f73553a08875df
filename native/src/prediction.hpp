// Outputs and losses of any number of rows, a chunk of plan.m rows at a time, so that memory stays flat.
#pragma once
#include "engine.hpp"

namespace backlit {

// Runs each(batch, t) for every chunk after its forward pass.
template <class T, class F> void each_chunk(Network<T>& net, const T* X, i64 rows, bool scores, F each) {
    run_team(net.plan.threads, [&](int t) {
        for (int l = 1; l <= net.L(); ++l) {
            const Share units(net.layer(l).n, t, net.plan.threads, net.k.lanes);
            net.pack(l, units.first, units.last);
        }
        for (i64 first = 0; first < rows; first += net.plan.m) {
            net.barrier.wait();
            const i64 m = rows - first < net.plan.m ? rows - first : net.plan.m;
            const Batch<T> batch{X + first * net.plan.n_0, nullptr, nullptr, nullptr, m, false};
            net.forward(batch, t, scores);
            each(batch, first, t);
        }
    });
}

// backlit.engine.reference.ReferenceEngine.predict: a_L (rows, n_L) into `out`.
template <class T> void predict(Network<T>& net, const T* X, i64 rows, T* out) {
    const LayerPlan& last = net.layer(net.L());
    each_chunk(net, X, rows, false, [&](const Batch<T>& batch, i64 first, int t) {
        const Share r = net.rows(batch.m, t);
        std::memcpy(out + (first + r.first) * last.n, net.at(last.a) + r.first * last.n, sizeof(T) * r.count() * last.n);
    });
}

// Σ w_i ℓ_i / Σ w_i over all rows, batch norm by the running moments.  False: an output outside the loss's domain.
template <class T>
bool mean_loss(Network<T>& net, const T* X, const T* Y, const T* weight, i64 rows, double* mean) {
    std::vector<double> sums(net.plan.threads * 16, 0.0);
    std::vector<int> wrong(net.plan.threads * 16, 0);
    const LayerPlan& last = net.layer(net.L());
    each_chunk(net, X, rows, net.plan.short_form, [&](Batch<T> batch, i64 first, int t) {
        const Share r = net.rows(batch.m, t);
        T* share = net.at(net.plan.share);
        for (i64 i = r.first; i < r.last; ++i) share[i] = weight ? weight[first + i] : (T)1;
        bool outside;
        batch.Y = Y + first * last.n;
        sums[t * 16] += net.output_slopes(batch, t, &outside);
        wrong[t * 16] |= outside;
    });
    double total = 0, weights = 0;
    bool fine = true;
    for (int t = 0; t < net.plan.threads; ++t) total += sums[t * 16], fine &= !wrong[t * 16];
    for (i64 i = 0; i < rows; ++i) weights += weight ? (double)weight[i] : 1.0;
    *mean = total / weights;
    return fine;
}

}  // namespace backlit
