#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
#include "efficient_nas/kept_workers.hpp"
#include "efficient_nas/workers.hpp"

using namespace efficient_nas;

namespace {

// A piece of work that is worth sharing when there are ten.
void work_for_a_while() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
    while (std::chrono::steady_clock::now() < end) continue;
}

}  // namespace

TEST(workers_do_every_piece_once_and_pass_exceptions_on) {
    for (const std::size_t threads : {1, 2, 7}) {
        Workers workers(threads);
        for (const std::size_t n : {0, 1, 10, 1000}) {
            std::vector<int> done(n, 0);
            workers.for_each_piece(n, 3, [&](std::size_t begin, std::size_t end, std::size_t thread) {
                CHECK(thread < threads && end - begin <= 3);
                for (std::size_t i = begin; i < end; ++i) ++done[i];
            });
            CHECK(std::count(done.begin(), done.end(), 1) == static_cast<std::ptrdiff_t>(n));
        }
        const auto fails = [](std::size_t begin, std::size_t, std::size_t) {
            if (begin == 50) throw std::runtime_error("piece 50");
        };
        CHECK_THROWS(workers.for_each_piece(100, 1, fails), std::runtime_error, "piece 50");
        std::atomic<int> after{0};
        workers.for_each_piece(100, 1, [&](std::size_t, std::size_t, std::size_t) { ++after; });
        CHECK(after == 100);
    }
    CHECK_THROWS(Workers(0), std::invalid_argument, "threads must be between 1 and 1024, got 0");
}

TEST(workers_finish_pieces_in_their_order_and_in_the_calling_thread) {
    const std::thread::id caller = std::this_thread::get_id();
    for (const std::size_t threads : {1, 2, 7})
        for (const bool slow : {false, true}) {
            Workers workers(threads);
            for (const std::size_t n : {0, 1, 10, 100})
                for (const std::size_t last : {std::size_t{5}, n}) {
                    std::vector<int> done(n, 0);  // not atomic: a piece is done before it is finished
                    std::size_t finished = 0;
                    workers.for_each_piece_in_order(
                        n, 3,
                        [&](std::size_t begin, std::size_t end, std::size_t thread) {
                            CHECK(thread < threads && begin < end && end - begin <= 3);
                            if (slow) work_for_a_while();
                            for (std::size_t i = begin; i < end; ++i) ++done[i];
                        },
                        [&](std::size_t begin, std::size_t end) {
                            CHECK(std::this_thread::get_id() == caller);
                            CHECK(begin == finished && end == std::min(begin + 3, n));
                            for (std::size_t i = begin; i < end; ++i) CHECK(done[i] == 1);
                            finished = end;
                            return end < last;
                        });
                    CHECK(finished == (last < n ? 6 : n));
                    CHECK(std::all_of(done.begin(), done.end(), [](int times) { return times <= 1; }));
                }
        }
}

TEST(workers_share_pieces_that_take_long) {
    Workers workers(2);
    std::atomic<bool> other{false};
    const auto wait_for_the_other = [&](std::size_t begin, std::size_t, std::size_t thread) {
        if (begin == 0) work_for_a_while();
        if (thread == 1) other = true;
        while (begin > 0 && !other) std::this_thread::yield();
    };
    workers.for_each_piece_in_order(100, 1, wait_for_the_other,
                                    [](std::size_t, std::size_t) { return true; });
    CHECK(other);
}

TEST(workers_go_on_after_an_exception_between_ordered_pieces) {
    for (const std::size_t threads : {1, 2, 7}) {
        Workers workers(threads);
        const auto run = [&](std::size_t failing_work, std::size_t failing_finish) {
            std::size_t finished = 0;
            workers.for_each_piece_in_order(
                100, 1,
                [&](std::size_t begin, std::size_t, std::size_t) {
                    work_for_a_while();
                    if (begin == failing_work) throw std::runtime_error("work fails");
                },
                [&](std::size_t begin, std::size_t) {
                    if (begin == failing_finish) throw std::runtime_error("finish fails");
                    ++finished;
                    return true;
                });
            return finished;
        };
        CHECK_THROWS(run(0, 100), std::runtime_error, "work fails");
        CHECK_THROWS(run(50, 100), std::runtime_error, "work fails");
        CHECK_THROWS(run(100, 0), std::runtime_error, "finish fails");
        CHECK_THROWS(run(100, 50), std::runtime_error, "finish fails");
        CHECK(run(100, 100) == 100);
    }
}

TEST(kept_workers_keep_their_threads) {
    KeptWorkers kept;
    const auto ids = [&](std::size_t threads) {
        std::vector<std::thread::id> by_thread(threads);
        std::atomic<std::size_t> present{0};
        kept.get(threads).for_each_piece(threads, 1, [&](std::size_t, std::size_t, std::size_t thread) {
            by_thread[thread] = std::this_thread::get_id();
            ++present;
            while (present < threads) std::this_thread::yield();
        });
        return by_thread;
    };
    const auto first = ids(3);
    CHECK(std::set(first.begin(), first.end()).size() == 3);
    CHECK(ids(3) == first);
    CHECK(ids(1) == std::vector{std::this_thread::get_id()});
    CHECK(ids(2).size() == 2);
    CHECK_THROWS(kept.get(0), std::invalid_argument, "threads must be between 1 and 1024, got 0");
    CHECK(ids(2).size() == 2);
}
