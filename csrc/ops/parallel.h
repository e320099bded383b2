// Threads for kernels: those that torch's OpenMP keeps ready where it is loaded, threads of the call's own
// elsewhere.
#pragma once

#include <cstddef>
#include <functional>

namespace efficient_nas::ops {

// Calls work(piece) once for each piece of [0, pieces), by up to `threads` threads; results must not depend
// on which. An exception ends the calls that have not begun and is thrown here. docs/design/cpu-kernels.md
// says why the threads are torch's.
void for_each_piece(std::size_t pieces, std::size_t threads, const std::function<void(std::size_t)>& work);

// `bytes` of memory for this thread, aligned to 64 bytes, kept for its next call; contents are left over.
// Throws std::bad_alloc.
void* scratch(std::size_t bytes);

}  // namespace efficient_nas::ops
