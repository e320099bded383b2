// What every fuzz target demands of a reader.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "efficient_nas/messages.hpp"

namespace fuzz {

inline void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
}

// A refusal is one line of UTF-8 that fits on a screen, whatever was read.
inline void check_message(std::string_view message) {
    require(!message.empty() && message.size() < 2000, "a message of 1 to 2000 bytes");
    while (!message.empty()) {
        const std::size_t length = efficient_nas::utf8_length(message);
        require(length > 0 && message[0] != '\n', "a message is one line of UTF-8");
        message.remove_prefix(length);
    }
}

// Calls use(read()) if `read` accepts the input. Any exception but std::invalid_argument is a failure.
template <typename Read, typename Use>
void read_or_refuse(const Read& read, const Use& use) {
    try {
        use(read());
    } catch (const std::invalid_argument& error) {
        check_message(error.what());
    }
}

}  // namespace fuzz
