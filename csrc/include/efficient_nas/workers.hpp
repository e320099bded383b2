// Threads that share work. It is cut into the same pieces whatever their number, so results never depend on
// it. They start when work is first shared, sleep while there is none, because spinning would slow down the
// threads of other libraries, and end with the object. kept_workers.hpp keeps them from call to call.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace efficient_nas {

// What each thread writes, in cache lines of its own: threads that write into one line wait for each other.
template <typename T>
struct alignas(64) PerThread {
    T value;
};

class Workers {
  public:
    explicit Workers(std::size_t threads) : errors_(checked(threads)) {}

    ~Workers() { end(); }

    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    std::size_t threads() const { return errors_.size(); }

    // Calls work(begin, end, thread) for pieces [begin, end) of [0, n) with up to `piece` items. An exception
    // ends the calls that have not begun and is thrown here.
    template <typename Work>
    void for_each_piece(std::size_t n, std::size_t piece, const Work& work) {
        if (n == 0) return;
        const std::size_t pieces = (n - 1) / piece + 1;
        const auto run = [&](std::size_t thread) {
            for (std::size_t i = next_.fetch_add(1); i < pieces; i = next_.fetch_add(1))
                work(i * piece, std::min(n, (i + 1) * piece), thread);
        };
        next_ = 0;
        if (threads() == 1 || pieces == 1) return run(0);
        share(run);
    }

    // The same, and finish(begin, end) in the calling thread for one piece after the other in their order,
    // while the other threads go on with later ones. It returns whether to go on: after a false, pieces are
    // finished no more, and few are begun. The first piece tells whether the others are worth waking a
    // thread.
    template <typename Work, typename Finish>
    void for_each_piece_in_order(std::size_t n, std::size_t piece, const Work& work, const Finish& finish) {
        if (n == 0) return;
        const std::size_t pieces = (n - 1) / piece + 1;
        std::size_t finished = 0;
        const auto do_piece = [&](std::size_t i, std::size_t thread) {
            work(i * piece, std::min(n, (i + 1) * piece), thread);
        };
        const auto finish_next = [&] {
            const std::size_t begin = finished++ * piece;
            if (!finish(begin, std::min(n, begin + piece))) finished = pieces;
        };
        const auto before = std::chrono::steady_clock::now();
        do_piece(0, 0);
        finish_next();
        const auto left =
            (std::chrono::steady_clock::now() - before) * static_cast<double>(pieces - finished);
        if (threads() == 1 || left < kWorthWaking) {
            while (finished < pieces) {
                do_piece(finished, 0);
                finish_next();
            }
            return;
        }
        std::vector<std::atomic<bool>> made(pieces);
        const auto finish_made = [&] {
            while (finished < pieces && made[finished].load(std::memory_order_acquire)) finish_next();
            if (finished == pieces) next_ = kStop;
        };
        next_ = 1;
        share([&](std::size_t thread) {
            for (std::size_t i = next_.fetch_add(1); i < pieces; i = next_.fetch_add(1)) {
                do_piece(i, thread);
                made[i].store(true, std::memory_order_release);
                if (thread == 0) finish_made();
            }
        });
        finish_made();
    }

  private:
    static constexpr std::size_t kMostThreads = 1024;
    static constexpr std::chrono::microseconds kWorthWaking{300};  // which takes about 100

    static std::size_t checked(std::size_t threads) {
        if (threads < 1 || threads > kMostThreads)
            throw std::invalid_argument("threads must be between 1 and " + std::to_string(kMostThreads) +
                                        ", got " + std::to_string(threads));
        return threads;
    }

    void start() {
        try {
            while (threads_.size() + 1 < threads())
                threads_.emplace_back([this, thread = threads_.size() + 1] { serve(thread); });
        } catch (const std::system_error&) {
            const std::size_t started = threads_.size() + 1;
            end();
            throw std::runtime_error("threads: the system allows " + std::to_string(started) + " now, not " +
                                     std::to_string(threads()));
        }
    }

    void end() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
        ended_ = false;
    }

    void share(const std::function<void(std::size_t)>& run) {
        if (threads_.empty()) start();
        {
            const std::lock_guard lock(mutex_);
            run_ = &run;
            busy_ = threads_.size();
            ++round_;
        }
        wake_.notify_all();
        guarded(run, 0);
        std::unique_lock lock(mutex_);
        done_.wait(lock, [this] { return busy_ == 0; });
        run_ = nullptr;
        lock.unlock();
        std::exception_ptr first;
        for (std::exception_ptr& error : errors_) {
            if (!first) first = error;
            error = nullptr;
        }
        if (first) std::rethrow_exception(first);
    }

    void guarded(const std::function<void(std::size_t)>& run, std::size_t thread) {
        try {
            run(thread);
        } catch (...) {
            errors_[thread] = std::current_exception();
            next_ = kStop;
        }
    }

    void serve(std::size_t thread) {
        std::size_t served = 0;
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return ended_ || round_ != served; });
            if (ended_) return;
            served = round_;
            const std::function<void(std::size_t)>& run = *run_;
            lock.unlock();
            guarded(run, thread);
            lock.lock();
            if (--busy_ == 0) done_.notify_one();
        }
    }

    static constexpr std::size_t kStop = static_cast<std::size_t>(-1) / 2;  // more than there are pieces

    std::vector<std::thread> threads_;
    std::vector<std::exception_ptr> errors_;  // by thread
    std::atomic<std::size_t> next_{0};        // piece
    std::mutex mutex_;                        // of everything below
    std::condition_variable wake_, done_;
    const std::function<void(std::size_t)>* run_ = nullptr;
    std::size_t round_ = 0, busy_ = 0;
    bool ended_ = false;
};

}  // namespace efficient_nas
