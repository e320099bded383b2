#include "kept_memory.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace efficient_nas::ops {
namespace {

constexpr std::size_t kAlwaysKept = std::size_t{256} << 20;

// Never destroyed: a call may end while the process does.
struct Pool {
    std::mutex mutex;
    std::vector<Pages> blocks;  // idle ones, oldest first
    std::size_t idle = 0, most_used = kAlwaysKept;
    std::atomic<std::size_t> used = 0;
};

Pool& pool() {
    static Pool* const blocks = new Pool;
    return *blocks;
}

// The smallest idle block that is at least so large, and not twice as large; else nothing.
Pages take(Pool& kept, std::size_t bytes) {
    auto best = kept.blocks.end();
    for (auto block = kept.blocks.begin(); block != kept.blocks.end(); ++block)
        if (block->bytes() >= bytes && block->bytes() / 2 <= bytes &&
            (best == kept.blocks.end() || block->bytes() < best->bytes()))
            best = block;
    if (best == kept.blocks.end()) return {};
    Pages found = std::move(*best);
    kept.blocks.erase(best);
    kept.idle -= found.bytes();
    return found;
}

}  // namespace

KeptMemory::KeptMemory(std::size_t bytes) {
    if (bytes == 0) return;
    // Whoever finds the pool in use, a forked child perhaps for ever, goes without.
    Pool& kept = pool();
    const std::unique_lock<std::mutex> lock(kept.mutex, std::try_to_lock);
    if (lock.owns_lock()) pages_ = take(kept, bytes);
    if (pages_.data() == nullptr) pages_ = Pages(bytes);
    const std::size_t used = kept.used += pages_.bytes();
    if (lock.owns_lock()) kept.most_used = std::max(kept.most_used, used);
}

KeptMemory& KeptMemory::operator=(KeptMemory&& other) noexcept {
    std::swap(pages_, other.pages_);
    return *this;
}

KeptMemory::~KeptMemory() {
    if (pages_.data() == nullptr) return;
    Pool& kept = pool();
    const std::size_t bytes = pages_.bytes();
    kept.used -= bytes;
    const std::unique_lock<std::mutex> lock(kept.mutex, std::try_to_lock);
    if (!lock.owns_lock()) return;
    try {
        kept.blocks.push_back(std::move(pages_));
    } catch (const std::bad_alloc&) {
        return;
    }
    kept.idle += bytes;
    while (kept.idle > kept.most_used + kept.most_used / 8) {
        kept.idle -= kept.blocks.front().bytes();
        kept.blocks.erase(kept.blocks.begin());
    }
}

}  // namespace efficient_nas::ops
