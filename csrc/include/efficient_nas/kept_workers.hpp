// Threads that stay for the next call: to start and end one takes as long as breeding hundreds of children.
#pragma once

#include <cstddef>
#include <memory>

#include "efficient_nas/workers.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace efficient_nas {

// For one call at a time.
class KeptWorkers {
  public:
    KeptWorkers() = default;
    ~KeptWorkers() { forget_if_forked(); }
    KeptWorkers(const KeptWorkers&) = delete;
    KeptWorkers& operator=(const KeptWorkers&) = delete;

    // Those of the last call if they were as many.
    Workers& get(std::size_t threads) {
        forget_if_forked();
        if (!workers_ || workers_->threads() != threads) {
            workers_.reset();
            workers_ = std::make_unique<Workers>(threads);
            process_ = this_process();
        }
        return *workers_;
    }

  private:
    // Threads stay behind in the process that started them. What they left here can neither be joined nor
    // destroyed, so its memory is given up.
    void forget_if_forked() {
        if (workers_ && process_ != this_process()) static_cast<void>(workers_.release());
    }

    static long this_process() {
#if defined(__unix__) || defined(__APPLE__)
        return getpid();
#else
        return 0;  // no forks
#endif
    }

    std::unique_ptr<Workers> workers_;
    long process_ = 0;  // that started them
};

}  // namespace efficient_nas
