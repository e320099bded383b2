#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "aligned_memory.h"
#include "efficient_nas/workers.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#include <pthread.h>
#endif

namespace efficient_nas::ops {
namespace {

// How compiled code enters a parallel region in the ABI of GNU's libgomp, which LLVM's libomp offers too.
using GompParallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

std::atomic<bool> is_forked_child{false};

// OpenMP's threads if a library in this process brought them: looked up by name, because to link an OpenMP of
// our own would be a second pool beside torch's. Threads do not survive a fork, and libgomp waits for them.
GompParallel openmp() {
#if defined(__unix__) || defined(__APPLE__)
    static const GompParallel function = [] {
        pthread_atfork(nullptr, nullptr, [] { is_forked_child = true; });
        return reinterpret_cast<GompParallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    }();
    return is_forked_child ? nullptr : function;
#else
    return nullptr;
#endif
}

// What the threads of one call share.
struct Call {
    const std::function<void(std::size_t)>& work;
    const std::size_t pieces;
    std::atomic<std::size_t> next{0};
    std::mutex mutex{};
    std::exception_ptr error{};

    void run() noexcept {
        try {
            for (std::size_t i = next.fetch_add(1); i < pieces; i = next.fetch_add(1)) work(i);
        } catch (...) {
            next = pieces;
            const std::lock_guard lock(mutex);
            if (!error) error = std::current_exception();
        }
    }
};

}  // namespace

void for_each_piece(std::size_t pieces, std::size_t threads, const std::function<void(std::size_t)>& work) {
    threads = std::min(threads, pieces);
    if (threads <= 1) {
        for (std::size_t i = 0; i < pieces; ++i) work(i);
        return;
    }
    if (const GompParallel parallel = openmp()) {
        Call call{work, pieces};
        parallel([](void* data) { static_cast<Call*>(data)->run(); }, &call, static_cast<unsigned>(threads),
                 0);
        if (call.error) std::rethrow_exception(call.error);
        return;
    }
    Workers workers(threads);
    workers.for_each_piece(pieces, 1, [&](std::size_t begin, std::size_t, std::size_t) { work(begin); });
}

void* scratch(std::size_t bytes) {
    thread_local AlignedMemory memory;
    thread_local std::size_t size = 0;
    if (bytes > size) {
        size = 0;
        memory = AlignedMemory();  // before the new one, so that both are never there together
        memory = AlignedMemory(bytes);
        size = bytes;
    }
    return memory.data();
}

}  // namespace efficient_nas::ops
