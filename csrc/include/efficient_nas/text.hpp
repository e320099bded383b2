// Small operations on text that the readers of notations share. Only ASCII spaces count as spaces.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace efficient_nas {

inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Without spaces at its ends.
inline std::string_view stripped(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

// The parts between separators: one more than there are separators.
inline std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t end = text.find(separator); end != text.npos; end = text.find(separator)) {
        parts.push_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    parts.push_back(text);
    return parts;
}

}  // namespace efficient_nas
