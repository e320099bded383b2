#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "check.hpp"
#include "efficient_nas/graph/labelled_dag_canonical.hpp"
#include "efficient_nas/rng.hpp"

using namespace efficient_nas;

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Matrix {
    std::size_t size;
    Bytes entries;
    std::vector<std::int32_t> labels;

    explicit Matrix(std::size_t n) : size(n), entries(n * n, 0), labels(n, 0) {}
    std::uint8_t& at(std::size_t a, std::size_t b) { return entries[a * size + b]; }
    std::uint8_t at(std::size_t a, std::size_t b) const { return entries[a * size + b]; }
    LabelledDag dag() const { return dag_of_matrix(entries.data(), labels.data(), size, size); }
};

Bytes canonical(const LabelledDag& dag) {
    Bytes bytes;
    append_canonical(dag, bytes);
    return bytes;
}

Matrix permuted(const Matrix& matrix, const std::vector<std::size_t>& order) {
    Matrix result(matrix.size);
    for (std::size_t a = 0; a < matrix.size; ++a) {
        result.labels[a] = matrix.labels[order[a]];
        for (std::size_t b = 0; b < matrix.size; ++b) result.at(a, b) = matrix.at(order[a], order[b]);
    }
    return result;
}

Matrix shuffled(const Matrix& matrix, RandomStream& random) {
    std::vector<std::size_t> order(matrix.size);
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    return permuted(matrix, order);
}

// The least (entries, labels) over all orders of the vertices: the definition.
std::pair<Bytes, std::vector<std::int32_t>> least_form(const Matrix& matrix) {
    std::vector<std::size_t> order(matrix.size);
    std::iota(order.begin(), order.end(), 0);
    std::pair least(matrix.entries, matrix.labels);
    do {
        const Matrix other = permuted(matrix, order);
        least = std::min(least, std::pair(other.entries, other.labels));
    } while (std::next_permutation(order.begin(), order.end()));
    return least;
}

}  // namespace

TEST(classes_are_those_of_the_definition) {
    for (std::size_t size = 0; size <= 4; ++size) {
        const std::size_t edges = size * (size - (size > 0)) / 2;
        std::map<Bytes, std::pair<Bytes, std::vector<std::int32_t>>> least_of;
        std::set<std::pair<Bytes, std::vector<std::int32_t>>> classes;
        for (std::size_t code = 0; code < std::size_t{1} << (edges + size); ++code) {
            Matrix matrix(size);
            std::size_t bits = code;
            for (std::size_t b = 0; b < size; ++b) {
                matrix.labels[b] = bits & 1 ? -7 : 300;
                bits >>= 1;
                for (std::size_t a = 0; a < b; ++a, bits >>= 1) matrix.at(a, b) = bits & 1;
            }
            const auto least = least_form(matrix);
            classes.insert(least);
            CHECK(least_of.emplace(canonical(matrix.dag()), least).first->second == least);
        }
        CHECK(least_of.size() == classes.size());
    }
}

TEST(order_of_vertices_does_not_matter_at_any_size) {
    RandomStream random(41, 0);
    for (std::size_t size = 0; size <= LabelledDag::kMaxVertices; ++size) {
        for (const std::uint64_t sparse : {2u, 20u}) {
            Matrix matrix(size);
            for (std::size_t b = 0; b < size; ++b) {
                matrix.labels[b] = static_cast<std::int32_t>(random.below(2)) ? INT32_MIN : INT32_MAX;
                for (std::size_t a = 0; a < b; ++a) matrix.at(a, b) = random.below(sparse) == 0;
            }
            const Matrix other = shuffled(matrix, random);
            CHECK(canonical(other.dag()) == canonical(matrix.dag()));
            CHECK(!has_cycle(other.dag()));
        }
    }
}

TEST(symmetric_dags_take_the_search) {
    RandomStream random(42, 0);
    std::set<Bytes> forms;
    for (const std::size_t step : {1u, 2u, 4u, 8u}) {  // one ring, two rings, ... in two layers of 32
        Matrix rings(64);
        for (std::size_t i = 0; i < 32; ++i) rings.at(i, 32 + i) = rings.at(i, 32 + (i + step) % 32) = 1;
        CHECK(!DagOrder(rings.dag()).decided());
        const Bytes form = canonical(rings.dag());
        CHECK(canonical(shuffled(rings, random).dag()) == form);
        forms.insert(form);
    }
    CHECK(forms.size() == 4);

    Matrix twins(64);  // all vertices of a layer are twins
    for (std::size_t i = 0; i < 32; ++i)
        for (std::size_t j = 32; j < 64; ++j) twins.at(i, j) = 1;
    CHECK(DagOrder(twins.dag()).decided());
    CHECK(canonical(shuffled(twins, random).dag()) == canonical(twins.dag()));
}

TEST(pruning_keeps_paths_from_first_to_last) {
    Matrix matrix(6);  // 0 -> 2 -> 5; 1 -> 5, 0 -> 3 and 4 are off
    matrix.at(0, 2) = matrix.at(2, 5) = matrix.at(1, 5) = matrix.at(0, 3) = 1;
    matrix.labels = {1, 2, 3, 4, 5, 6};
    Matrix path(3);
    path.at(0, 1) = path.at(1, 2) = 1;
    path.labels = {1, 3, 6};
    CHECK(canonical(pruned(matrix.dag())) == canonical(path.dag()));
    matrix.at(2, 5) = 0;
    CHECK(pruned(matrix.dag()).size == 0);
    CHECK(pruned(Matrix(0).dag()).size == 0);
    CHECK(pruned(Matrix(1).dag()).size == 1);
}

TEST(padding_is_left_out) {
    Matrix matrix(5);
    for (std::uint8_t& entry : matrix.entries) entry = 1;
    matrix.at(0, 0) = matrix.at(1, 1) = matrix.at(1, 0) = 0;
    Matrix edge(2);
    edge.at(0, 1) = 1;
    CHECK(canonical(dag_of_matrix(matrix.entries.data(), matrix.labels.data(), 5, 2)) ==
          canonical(edge.dag()));
}

TEST(bad_matrices_are_refused) {
    Matrix cycle(64);
    cycle.at(3, 60) = cycle.at(60, 3) = 1;
    CHECK(has_cycle(cycle.dag()));
    CHECK_THROWS(canonical(cycle.dag()), std::invalid_argument, "adjacency has a cycle");
    Matrix loop(1);
    loop.at(0, 0) = 1;
    CHECK(has_cycle(loop.dag()));
    CHECK_THROWS(canonical(loop.dag()), std::invalid_argument, "adjacency has a cycle");
    for (const std::size_t size : {1u, 3u, 8u}) {
        Matrix matrix(size);
        matrix.at(size - 1, size - 1) = 255;
        CHECK_THROWS(matrix.dag(), std::invalid_argument, "adjacency must be 0 or 1, got 255");
    }
}
