// The few lines that these tests need: CHECK, CHECK_THROWS and a main that runs every TEST.
#pragma once

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace check {

struct Test {
    const char* name;
    void (*run)();
};

inline std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

inline int failures = 0;

inline void fail(const char* file, int line, const std::string& what) {
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
    ++failures;
}

struct Registration {
    Registration(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

}  // namespace check

#define TEST(name)                                                 \
    static void name();                                            \
    static const check::Registration register_##name(#name, name); \
    static void name()

#define CHECK(condition)                                               \
    do {                                                               \
        if (!(condition)) check::fail(__FILE__, __LINE__, #condition); \
    } while (false)

// The expression throws `type` with `text` in its message.
#define CHECK_THROWS(expression, type, text)                                                 \
    do {                                                                                     \
        try {                                                                                \
            (void)(expression);                                                              \
            check::fail(__FILE__, __LINE__, "no exception: " #expression);                   \
        } catch (const type& error) {                                                        \
            if (std::string(error.what()).find(text) == std::string::npos)                   \
                check::fail(__FILE__, __LINE__,                                              \
                            std::string("message without ") + (text) + ": " + error.what()); \
        }                                                                                    \
    } while (false)

int main() {
    for (const check::Test& test : check::tests()) {
        const int before = check::failures;
        try {
            test.run();
        } catch (const std::exception& error) {
            check::fail(test.name, 0, std::string("exception: ") + error.what());
        }
        std::printf("%s %s\n", check::failures == before ? "ok    " : "FAILED", test.name);
    }
    if (check::tests().empty()) std::puts("no tests");
    return check::failures == 0 && !check::tests().empty() ? 0 : 1;
}
