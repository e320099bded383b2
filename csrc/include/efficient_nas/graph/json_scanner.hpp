// The syntax of JSON (RFC 8259), checked without keeping anything. Stricter than the RFC: nesting is limited,
// text must be UTF-8 without lone surrogates, integers must fit into 64 bits.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "efficient_nas/messages.hpp"

namespace efficient_nas {

// Checks a document and finds where values end. Positions in messages count bytes.
class JsonScanner {
  public:
    static constexpr std::size_t kMaxDepth = 64;

    explicit JsonScanner(std::string_view text) : text_(text) {}

    bool at(char c) const { return position_ < text_.size() && text_[position_] == c; }
    void take(char c) {
        if (!at(c)) expected(quoted(std::string_view(&c, 1)));
        ++position_;
    }
    void skip_space() {
        while (at(' ') || at('\n') || at('\r') || at('\t')) ++position_;
    }
    // Whether another element follows, of a list whose opening bracket was just taken or whose last element
    // was just read. Takes the comma, or the closing bracket.
    bool next(char closing, bool first) {
        skip_space();
        if (at(closing)) {
            ++position_;
            return false;
        }
        if (!first) {
            if (!at(',')) expected(std::string("',' or '") + closing + "'");
            ++position_;
            skip_space();
        }
        return true;
    }

    // Moves over one value; returns its text.
    std::string_view value() {
        const std::size_t begin = position_;
        if (at('{') || at('[')) {
            container();
        } else if (at('"')) {
            string();
        } else if (at('-') || digit()) {
            number();
        } else {
            word();
        }
        return text_.substr(begin, position_ - begin);
    }

    // Moves over one string; returns its text with the quotes.
    std::string_view string() {
        const std::size_t begin = position_;
        take('"');
        while (!at('"')) {
            if (position_ == text_.size()) fail("a string does not end");
            if (static_cast<std::uint8_t>(text_[position_]) < 0x20) fail("a control character in a string");
            if (at('\\')) {
                escape();
                continue;
            }
            const std::size_t length = utf8_length(text_.substr(position_));
            if (length == 0) fail("text that is not UTF-8");
            position_ += length;
        }
        ++position_;
        return text_.substr(begin, position_ - begin);
    }

    void finish() {
        skip_space();
        if (position_ != text_.size()) expected("the end");
    }

  private:
    [[noreturn]] void fail(const std::string& what) const {
        std::size_t line = 1, column = 1;
        for (const char c : text_.substr(0, position_)) {
            ++column;
            if (c == '\n') ++line, column = 1;
        }
        throw std::invalid_argument(what + " at line " + std::to_string(line) + ", column " +
                                    std::to_string(column));
    }
    [[noreturn]] void expected(const std::string& what) const {
        const std::string_view rest = text_.substr(position_);
        const std::string got =
            rest.empty() ? "the end" : quoted(rest.substr(0, std::max<std::size_t>(utf8_length(rest), 1)));
        fail("not JSON: expected " + what + ", got " + got);
    }

    bool digit() const {
        return position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9';
    }
    void digits() {
        if (!digit()) expected("a digit");
        while (digit()) ++position_;
    }

    void container() {
        if (++depth_ > kMaxDepth)
            fail("nested too deeply, more than " + std::to_string(kMaxDepth) + " levels");
        const bool object = at('{');
        ++position_;
        for (bool first = true; next(object ? '}' : ']', first); first = false) {
            if (object) {
                if (!at('"')) expected("a field name in quotes");
                string();
                skip_space();
                take(':');
                skip_space();
            }
            value();
        }
        --depth_;
    }

    void number() {
        const std::size_t begin = position_;
        if (at('-')) ++position_;
        if (at('0'))
            ++position_;
        else
            digits();
        bool integer = true;
        if (at('.')) {
            integer = false;
            ++position_;
            digits();
        }
        if (at('e') || at('E')) {
            integer = false;
            ++position_;
            if (at('+') || at('-')) ++position_;
            digits();
        }
        const std::string_view text = text_.substr(begin, position_ - begin);
        std::int64_t value = 0;
        if (integer && std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) {
            position_ = begin;
            fail("an integer that does not fit into 64 bits: " + std::string(text.substr(0, 40)));
        }
    }

    void word() {
        for (const std::string_view word : {"true", "false", "null"})
            if (text_.substr(position_, word.size()) == word) {
                position_ += word.size();
                return;
            }
        for (const std::string_view word : {"NaN", "Infinity"})
            if (text_.substr(position_, word.size()) == word)
                fail(std::string(word) + " is not a number of JSON");
        expected("a value");
    }

    void escape() {
        ++position_;
        if (at('u')) {
            const unsigned unit = hex_unit();
            if (unit >= 0xDC00 && unit < 0xE000) fail("a lone surrogate");
            if (unit >= 0xD800 && unit < 0xDC00) {
                const bool pair = text_.substr(position_, 2) == "\\u";
                if (pair) ++position_;
                const unsigned low = pair ? hex_unit() : 0;
                if (low < 0xDC00 || low >= 0xE000) fail("a lone surrogate");
            }
            return;
        }
        if (position_ == text_.size() || std::string_view("\"\\/bfnrt").find(text_[position_]) == text_.npos)
            expected("an escape of JSON");
        ++position_;
    }

    // The four digits after a 'u'.
    unsigned hex_unit() {
        ++position_;
        unsigned unit = 0;
        const std::string_view digits = text_.substr(position_, 4);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
        if (digits.size() < 4 || error != std::errc{} || end != digits.data() + 4)
            expected("four hexadecimal digits");
        position_ += 4;
        return unit;
    }

    std::string_view text_;
    std::size_t position_ = 0, depth_ = 0;
};

}  // namespace efficient_nas
