#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "check.hpp"
#include "efficient_nas/rng.hpp"
#include "efficient_nas/space/space_sampling.hpp"

using namespace efficient_nas;

TEST(philox_gives_the_published_blocks) {
    // Random123's known answers for philox4x64-10.
    using Block = std::array<std::uint64_t, 4>;
    CHECK((philox4x64({0, 0, 0, 0}, {0, 0}) ==
           Block{0x16554d9eca36314cu, 0xdb20fe9d672d0fdcu, 0xd7e772cee186176bu, 0x7e68b68aec7ba23bu}));
    constexpr std::uint64_t kOnes = ~std::uint64_t{0};
    CHECK((philox4x64({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
           Block{0x87b092c3013fe90bu, 0x438c3c67be8d0224u, 0x9cc7d7c69cd777b6u, 0xa09caebf594f0ba0u}));
}

TEST(streams_are_repeatable_and_differ) {
    std::set<std::uint64_t> seen;
    for (std::uint64_t seed = 0; seed < 20; ++seed)
        for (std::uint64_t stream = 0; stream < 20; ++stream) {
            RandomStream a(seed, stream), b(seed, stream);
            for (int i = 0; i < 9; ++i) {
                const std::uint64_t draw = a.next_u64();
                CHECK(draw == b.next_u64());
                seen.insert(draw);
            }
        }
    CHECK(seen.size() == 20 * 20 * 9);
}

TEST(bounded_draws_are_in_range_and_even) {
    for (const std::uint64_t bound : {1u, 2u, 3u, 7u, 100u}) {
        RandomStream random(1, bound);
        BoundedDraws draws(2, bound);
        std::vector<int> counts(bound), shared(bound);
        const int n = 2000 * static_cast<int>(bound);
        for (int i = 0; i < n; ++i) {
            ++counts.at(random.below(bound));
            ++shared.at(draws.below(bound));
        }
        // 2,000 expected in each: five standard deviations are 224.
        for (const std::vector<int>& c : {counts, shared}) {
            CHECK(*std::min_element(c.begin(), c.end()) > 1776);
            CHECK(*std::max_element(c.begin(), c.end()) < 2224);
        }
    }
    BoundedDraws draws(0, 0);
    for (int i = 0; i < 100; ++i) CHECK(draws.below(std::uint64_t{1} << 32) <= 0xFFFFFFFFu);
    for (int i = 0; i < 100; ++i) CHECK(draws.below(1) == 0);
}

TEST(uniform_is_below_one) {
    RandomStream random(3, 4);
    double sum = 0;
    for (int i = 0; i < 10000; ++i) {
        const double draw = random.uniform();
        CHECK(draw >= 0 && draw < 1);
        sum += draw;
    }
    CHECK(sum > 4850 && sum < 5150);
}

TEST(hashes_see_every_byte_and_the_length) {
    std::set<std::uint64_t> seen;
    std::vector<std::uint8_t> bytes;
    seen.insert(hash_bytes(bytes.data(), 0));
    for (std::size_t size = 1; size <= 20; ++size) {
        bytes.push_back(0);
        seen.insert(hash_bytes(bytes.data(), size));
        for (std::size_t i = 0; i < size; ++i) {
            bytes[i] = 1;
            seen.insert(hash_bytes(bytes.data(), size));
            bytes[i] = 0;
        }
    }
    CHECK(seen.size() == 1 + 20 + 20 * 21 / 2);
}
