// Pieces of error messages: values as they can be shown, and the known name that a wrong one resembles.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace efficient_nas {

// Bytes of the UTF-8 character that `text` starts with; 0 if it starts with none (RFC 3629: no overlong
// forms, no surrogates, nothing beyond U+10FFFF).
inline std::size_t utf8_length(std::string_view text) {
    const auto byte = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    if (text.empty()) return 0;
    const std::uint8_t first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
    const bool surrogate = first == 0xED && byte(1) >= 0xA0;
    const bool beyond = first == 0xF4 && byte(1) >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

// The text in quotes on one line of valid UTF-8, cut where it gets long.
inline std::string quoted(std::string_view text) {
    constexpr std::size_t kLongest = 80;
    constexpr char kDigits[] = "0123456789abcdef";
    const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
    std::string shown(1, quote);
    while (!text.empty() && shown.size() < kLongest) {
        const std::size_t length = utf8_length(text);
        const char c = text[0];
        if (c == '\n') {
            shown += "\\n";
        } else if (c == quote || c == '\\') {
            shown.append({'\\', c});
        } else if (length == 0 || (length == 1 && (static_cast<std::uint8_t>(c) < 0x20 || c == 0x7F))) {
            const auto byte = static_cast<std::uint8_t>(c);
            shown.append({'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]});
        } else {
            shown += text.substr(0, length);
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return shown + (text.empty() ? std::string(1, quote) : "...");
}

// Length of the longest common subsequence of two names.
inline std::size_t common_characters(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1, 0);  // of a[:i] with each b[:j]
    for (const char c : a) {
        std::size_t diagonal = 0;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t above = row[j + 1];
            row[j + 1] = c == b[j] ? diagonal + 1 : std::max(above, row[j]);
            diagonal = above;
        }
    }
    return row[b.size()];
}

// The known name that shares most with a wrong one, the first of several; empty if none shares half of its
// characters.
template <typename Names>
std::string_view closest(std::string_view name, const Names& names) {
    constexpr std::size_t kLongest = 256;  // bounds the work on hostile text
    double best = 0.5;
    std::string_view found;
    for (const std::string_view known : names) {
        if (name.size() > kLongest || known.size() > kLongest) continue;
        const double shared = 2.0 * static_cast<double>(common_characters(name, known)) /
                              static_cast<double>(name.size() + known.size());
        if (shared > best) {
            best = shared;
            found = known;
        }
    }
    return found;
}

// " (did you mean x?)", or nothing.
template <typename Names>
std::string nearest(std::string_view name, const Names& names) {
    const std::string_view known = closest(name, names);
    return known.empty() ? "" : " (did you mean " + std::string(known) + "?)";
}

template <typename Names>
std::string joined(const Names& names) {
    std::string text;
    for (const std::string_view name : names) text.append(text.empty() ? "" : ", ").append(name);
    return text;
}

}  // namespace efficient_nas
