// Runs a libFuzzer target without libFuzzer: seeded mutations of the files of a corpus, no coverage feedback.
// Usage: fuzz_<target> [-runs=N] [-seed=N] [-dict=FILE] corpus_folder...
// A failure prints the seed and the run that repeats it, and its input.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "efficient_nas/messages.hpp"
#include "efficient_nas/rng.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using efficient_nas::RandomStream;

std::uint64_t seed = 1, run = 0, runs = 10000;
std::string input;

void report() {
    std::fprintf(stderr, "failed at run %llu of seed %llu on %zu bytes: %s\n",
                 static_cast<unsigned long long>(run), static_cast<unsigned long long>(seed), input.size(),
                 efficient_nas::quoted(input).c_str());
    std::ofstream("failed_input", std::ios::binary) << input;
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The quoted entries of a libFuzzer dictionary, without its escapes.
std::vector<std::string> read_dictionary(const std::string& path) {
    std::vector<std::string> words;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        const std::size_t begin = line.find('"'), end = line.rfind('"');
        if (line[0] == '#' || begin == line.npos || end <= begin) continue;
        words.emplace_back();
        for (std::size_t i = begin + 1; i < end; ++i) words.back() += line[i] == '\\' ? line[++i] : line[i];
    }
    return words;
}

void mutate(RandomStream& random, const std::vector<std::string>& corpus,
            const std::vector<std::string>& words, std::string& text) {
    constexpr std::size_t kLongest = 1 << 14;
    const auto below = [&random](std::size_t bound) { return static_cast<std::size_t>(random.below(bound)); };
    const std::size_t at = below(text.size() + 1),
                      length = below(std::min<std::size_t>(text.size() - at, 64) + 1);
    switch (below(7)) {
        case 0:
            if (at < text.size()) text[at] = static_cast<char>(random.next_u64());
            break;
        case 1:
            text.insert(text.begin() + static_cast<std::ptrdiff_t>(at), static_cast<char>(random.next_u64()));
            break;
        case 2:
            text.erase(at, length);
            break;
        case 3:
            text.insert(below(text.size() + 1), text.substr(at, length));
            break;
        case 4:
            if (!words.empty()) text.replace(at, below(2) * length, words[below(words.size())]);
            break;
        case 5: {  // the end of another file
            const std::string& other = corpus[below(corpus.size())];
            text = text.substr(0, at) + other.substr(below(other.size() + 1));
            break;
        }
        case 6:
            text.replace(at, length, std::to_string(static_cast<std::int64_t>(random.next_u64())));
            break;
    }
    text.resize(std::min(text.size(), kLongest));
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> corpus, words;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        const std::string value(argument.substr(argument.find('=') + 1));
        if (argument.starts_with("-runs=")) {
            runs = std::stoull(value);
        } else if (argument.starts_with("-seed=")) {
            seed = std::stoull(value);
        } else if (argument.starts_with("-dict=")) {
            words = read_dictionary(value);
        } else {
            std::vector<std::filesystem::path> files;
            for (const auto& entry : std::filesystem::directory_iterator(argument)) files.push_back(entry);
            std::sort(files.begin(), files.end());
            for (const auto& file : files) corpus.push_back(read_file(file));
        }
    }
    if (corpus.empty()) {
        std::fprintf(stderr, "no corpus\n");
        return 1;
    }
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_set_death_callback(report);
#endif
    std::signal(SIGABRT, [](int) { report(); });
    try {
        for (; run < runs; ++run) {
            RandomStream random(seed, run);
            input = corpus[run % corpus.size()];
            // The files themselves first, then ever more changes at once.
            const std::size_t changes = run < corpus.size() ? 0 : std::size_t{1} << random.below(5);
            for (std::size_t i = 0; i < changes; ++i) mutate(random, corpus, words, input);
            LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "exception: %s\n", error.what());
        report();
        return 1;
    }
    std::printf("%llu runs of seed %llu over %zu files\n", static_cast<unsigned long long>(runs),
                static_cast<unsigned long long>(seed), corpus.size());
}
