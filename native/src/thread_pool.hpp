// Threads that live for one call.  Thread 0, the caller, says what is done next; the work of a phase is cut
// into one share a thread.  Thread t takes share t first, and then whatever no one has begun: a thread that the machine
// has put aside holds nobody up unless it was in the middle of its share.  Which thread computes a share changes no bit.
//
// A thread that has nothing to do spins for a while, because the others are usually microseconds away, and then sleeps:
// where the machine is busy the thread that is waited for can run, and idle threads cost nothing.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace backlit {

using i64 = std::int64_t;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");  // yield does nothing on most ARM cores; isb waits about as long as x86's pause
#endif
}

class ThreadPool {
  public:
    explicit ThreadPool(int threads) : threads_(threads), slots_(new Slot[threads]) {}
    ~ThreadPool() { delete[] slots_; }
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    // Starts the other threads, calls lead() on this one, and lets the others go, even where lead() throws.  Threads that
    // the system refuses (no memory for a stack, a limit on their number) are done without: the others take their shares.
    template <class F> void run(F lead) {
        leave_.store(false, std::memory_order_relaxed);
        Followers followers{*this, {}};
        followers.threads.reserve(threads_);
        try {
            for (int t = 1; t < threads_; ++t)
                followers.threads.emplace_back([this, t, from = phase_.load()] { follow(t, from); });
        } catch (const std::system_error&) {
        }
        lead();
    }

    // Calls work(share) for every share; returns when all are done, and what they wrote is seen here and by all.
    template <class F> void phase(F work) {
        if (threads_ == 1) return work(0);
        call_ = [](void* w, int share) { (*static_cast<F*>(w))(share); };
        work_ = &work;
        done_.store(0, std::memory_order_relaxed);
        const std::uint64_t now = phase_.load(std::memory_order_relaxed) + 1;
        phase_.store(now);
        wake();
        take(0, now);
        wait([this] { return done_.load() == threads_; });
    }

  private:
    struct Followers {
        ThreadPool& pool;
        std::vector<std::thread> threads;
        ~Followers() {
            pool.leave_.store(true);
            pool.wake();
            for (auto& thread : threads) thread.join();
        }
    };
    struct alignas(64) Slot {
        std::atomic<std::uint64_t> phase{0};  // the last phase in which someone took this share
    };
    static constexpr int spin_limit = 2000;
    const int threads_;
    Slot* const slots_;
    void (*call_)(void*, int) = nullptr;
    void* work_ = nullptr;
    alignas(64) std::atomic<std::uint64_t> phase_{0};
    alignas(64) std::atomic<int> done_{0};
    std::atomic<bool> leave_{false};
    alignas(64) std::atomic<int> asleep_{0};
    std::mutex mutex_;
    std::condition_variable cv_;

    // A share of phase `now` that is still free was last taken in the phase before, and as long as one is free, or in
    // someone's hands, that phase goes on: so call_ and work_ are the right ones.
    void take(int t, std::uint64_t now) {
        for (int i = 0; i < threads_; ++i) {
            const int share = (t + i) % threads_;
            std::uint64_t before = now - 1;
            if (!slots_[share].phase.compare_exchange_strong(before, now, std::memory_order_acq_rel)) continue;
            call_(work_, share);
            if (done_.fetch_add(1) + 1 == threads_) wake();
        }
    }

    void follow(int t, std::uint64_t seen) {
        while (true) {
            wait([&] { return phase_.load() != seen || leave_.load(); });
            const std::uint64_t now = phase_.load();
            if (now == seen) return;
            take(t, now);
            seen = now;
        }
    }

    // What is waited for is stored before `asleep_` is read, and `asleep_` before what is waited for is read once more,
    // all in one order: so a thread that goes to sleep is seen by who wakes it, or sees that it need not sleep.
    template <class F> void wait(F ready) {
        for (int spins = 0; spins < spin_limit; ++spins, relax())
            if (ready()) return;
        std::unique_lock<std::mutex> lock(mutex_);
        asleep_.fetch_add(1);
        cv_.wait(lock, ready);
        asleep_.fetch_sub(1);
    }
    void wake() {
        if (asleep_.load() == 0) return;
        std::lock_guard<std::mutex> lock(mutex_);
        cv_.notify_all();
    }
};

// Things first … last − 1.
struct Range {
    i64 first = 0, last = 0;
    i64 count() const { return last - first; }
};

// Part t of n things over `threads`, each part but the last a multiple of `grain`.
inline Range partition(i64 n, int t, int threads, i64 grain = 1) {
    const i64 grains = (n + grain - 1) / grain;
    const auto cut = [&](i64 k) {
        const i64 end = grains * k / threads * grain;
        return end < n ? end : n;
    };
    return {cut(t), cut(t + 1)};
}

// The most things that a part has.
inline i64 largest_part(i64 n, int threads, i64 grain = 1) {
    return ((n + grain - 1) / grain + threads - 1) / threads * grain;
}

}  // namespace backlit
