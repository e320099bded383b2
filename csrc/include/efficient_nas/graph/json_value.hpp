// A strict reader of JSON that keeps nothing but the text: a value is a slice of a document that was checked
// as a whole, so memory does not grow with what a document holds.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "efficient_nas/graph/json_scanner.hpp"
#include "efficient_nas/messages.hpp"

namespace efficient_nas {

enum class JsonKind { kNull, kBool, kInteger, kFraction, kString, kArray, kObject };

// One value of a document; valid as long as the document's text is.
class JsonValue {
  public:
    // Throws std::invalid_argument with line and column.
    static JsonValue parse(std::string_view document) {
        JsonScanner scanner(document);
        scanner.skip_space();
        const std::string_view text = scanner.value();
        scanner.finish();
        return JsonValue(text);
    }

    JsonValue() = default;  // null

    JsonKind kind() const {
        switch (text_[0]) {
            case '{':
                return JsonKind::kObject;
            case '[':
                return JsonKind::kArray;
            case '"':
                return JsonKind::kString;
            case 't':
            case 'f':
                return JsonKind::kBool;
            case 'n':
                return JsonKind::kNull;
            default:
                return text_.find_first_of(".eE") == text_.npos ? JsonKind::kInteger : JsonKind::kFraction;
        }
    }

    bool boolean() const { return text_[0] == 't'; }

    std::int64_t integer() const {
        std::int64_t value = 0;
        std::from_chars(text_.data(), text_.data() + text_.size(), value);
        return value;
    }

    std::string string() const {
        std::string decoded;
        for (std::size_t i = 1; i + 1 < text_.size(); ++i) {
            if (text_[i] != '\\') {
                decoded += text_[i];
                continue;
            }
            const char escaped = text_[++i];
            constexpr std::string_view kNames = "bfnrt", kCharacters = "\b\f\n\r\t";
            const std::size_t named = kNames.find(escaped);
            if (escaped == 'u') {
                std::uint32_t code = unit(i + 1);
                i += 4;
                if (code >= 0xD800 && code < 0xDC00) {
                    code = 0x10000 + ((code - 0xD800) << 10) + (unit(i + 3) - 0xDC00);
                    i += 6;
                }
                append_utf8(code, decoded);
            } else {
                decoded += named == kNames.npos ? escaped : kCharacters[named];
            }
        }
        return decoded;
    }

    // Calls visit(JsonValue) for each element of an array.
    template <typename Visit>
    void for_each_element(const Visit& visit) const {
        JsonScanner scanner(text_);
        scanner.take('[');
        for (bool first = true; scanner.next(']', first); first = false) visit(JsonValue(scanner.value()));
    }

    // Calls visit(std::string name, JsonValue) for each member of an object, repeated names included.
    template <typename Visit>
    void for_each_member(const Visit& visit) const {
        JsonScanner scanner(text_);
        scanner.take('{');
        for (bool first = true; scanner.next('}', first); first = false) {
            const JsonValue name(scanner.string());
            scanner.skip_space();
            scanner.take(':');
            scanner.skip_space();
            visit(name.string(), JsonValue(scanner.value()));
        }
    }

    // For messages: in the words of Python, on one line, cut where it gets long.
    std::string shown() const {
        std::string out;
        append_shown(out);
        if (out.size() <= kLongestShown) return out;
        std::size_t end = kLongestShown - 3;
        while ((static_cast<std::uint8_t>(out[end]) & 0xC0) == 0x80) --end;  // not inside a character
        return out.substr(0, end) + "...";
    }

  private:
    explicit JsonValue(std::string_view text) : text_(text) {}

    std::uint32_t unit(std::size_t begin) const {
        std::uint32_t value = 0;
        std::from_chars(text_.data() + begin, text_.data() + begin + 4, value, 16);
        return value;
    }

    static void append_utf8(std::uint32_t code, std::string& out) {
        const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
        if (code < 0x80) {
            out += static_cast<char>(code);
        } else if (code < 0x800) {
            out += static_cast<char>(0xC0 | (code >> 6));
            tail(0);
        } else if (code < 0x10000) {
            out += static_cast<char>(0xE0 | (code >> 12));
            tail(6), tail(0);
        } else {
            out += static_cast<char>(0xF0 | (code >> 18));
            tail(12), tail(6), tail(0);
        }
    }

    // Adds nothing once `out` is too long.
    void append_shown(std::string& out) const {
        const auto add = [&out](std::string_view piece) {
            if (out.size() <= kLongestShown) out += piece;
        };
        bool first = true;
        const auto separator = [&] {
            if (!first) add(", ");
            first = false;
        };
        switch (kind()) {
            case JsonKind::kNull:
                return add("None");
            case JsonKind::kBool:
                return add(boolean() ? "True" : "False");
            case JsonKind::kString:
                return add(quoted(string()));
            case JsonKind::kArray:
                add("[");
                for_each_element([&](const JsonValue& element) {
                    separator();
                    if (out.size() <= kLongestShown) element.append_shown(out);
                });
                return add("]");
            case JsonKind::kObject:
                add("{");
                for_each_member([&](const std::string& name, const JsonValue& value) {
                    separator();
                    add(quoted(name) + ": ");
                    if (out.size() <= kLongestShown) value.append_shown(out);
                });
                return add("}");
            case JsonKind::kInteger:
            case JsonKind::kFraction:
                return add(text_);
        }
    }

    static constexpr std::size_t kLongestShown = 80;
    std::string_view text_ = "null";
};

}  // namespace efficient_nas
