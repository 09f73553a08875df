// A team of threads that lives for one call, and its barrier.
//
// A waiting thread spins for a while, because the others are usually microseconds away, and then gives its core up
// again and again: where the machine is busy the thread that is waited for can run.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace backlit {

using i64 = std::int64_t;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

class Barrier {
  public:
    explicit Barrier(int threads) : threads_(threads) {}

    // Returns when all threads have come; what they wrote before is then seen by all.
    void wait() {
        if (threads_ == 1) return;
        const unsigned round = round_.load(std::memory_order_relaxed);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; round_.load(std::memory_order_acquire) == round;)
            if (spins < spin_limit) ++spins, relax();
            else std::this_thread::yield();
    }

  private:
    static constexpr int spin_limit = 4000;
    const int threads_;
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<unsigned> round_{0};
};

// Runs work(t) for t = 0 … threads−1, t = 0 on the calling thread.
template <class F> void run_team(int threads, F work) {
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back([&work, t] { work(t); });
    work(0);
    for (auto& thread : others) thread.join();
}

// Part t of n things over `threads`, each part but the last a multiple of `grain`: first, and one past the last.
struct Share {
    i64 first, last;
    Share(i64 n, int t, int threads, i64 grain = 1) {
        const i64 grains = (n + grain - 1) / grain;
        first = grains * t / threads * grain;
        last = grains * (t + 1) / threads * grain;
        if (first > n) first = n;
        if (last > n) last = n;
    }
    i64 count() const { return last - first; }
};

}  // namespace backlit
