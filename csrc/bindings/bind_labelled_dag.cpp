#include <nanobind/stl/optional.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/graph/labelled_dag_canonical.hpp"
#include "efficient_nas/rng.hpp"

namespace nas = efficient_nas;

namespace {

// adjacency [n, v, v], labels [n, v], sizes [n]; without sizes every DAG has v vertices.
struct Dags {
    InputArray<std::uint8_t, 3> adjacency;
    InputArray<std::int32_t, 2> labels;
    std::optional<InputArray<std::int64_t, 1>> sizes;
    bool prune;

    std::size_t count() const { return adjacency.shape(0); }
    std::size_t stride() const { return adjacency.shape(1); }

    void check(const char* where) const {
        const std::size_t n = count(), v = stride();
        const auto refuse = [&](const std::string& what) {
            throw std::invalid_argument(std::string(where) + ": " + what);
        };
        const auto shape = [](std::initializer_list<std::size_t> extents) {
            std::string text;
            for (const std::size_t extent : extents)
                text += (text.empty() ? "[" : ", ") + std::to_string(extent);
            return text + "]";
        };
        if (adjacency.shape(2) != v || v > nas::LabelledDag::kMaxVertices)
            refuse("adjacency must have shape [n, v, v] with v <= 64, got " +
                   shape({n, v, adjacency.shape(2)}));
        if (labels.shape(0) != n || labels.shape(1) != v)
            refuse("labels must have shape " + shape({n, v}) + " (from adjacency), got " +
                   shape({labels.shape(0), labels.shape(1)}));
        if (!sizes) return;
        if (sizes->shape(0) != n)
            refuse("sizes must have shape " + shape({n}) + " (from adjacency), got " +
                   shape({sizes->shape(0)}));
        for (std::size_t i = 0; i < n; ++i)
            if (sizes->data()[i] < 0 || sizes->data()[i] > static_cast<std::int64_t>(v))
                refuse("row " + std::to_string(i) + ": sizes must be between 0 and " + std::to_string(v) +
                       ", got " + std::to_string(sizes->data()[i]));
    }

    // Appends the canonical bytes of row i.
    void append_canonical(const char* where, std::size_t i, std::vector<std::uint8_t>& bytes) const {
        const std::size_t v = stride(), size = sizes ? static_cast<std::size_t>(sizes->data()[i]) : v;
        try {
            const nas::LabelledDag dag =
                nas::dag_of_matrix(adjacency.data() + i * v * v, labels.data() + i * v, v, size);
            if (!prune) return nas::append_canonical(dag, bytes);
            if (nas::has_cycle(dag)) throw std::invalid_argument("adjacency has a cycle");
            nas::append_canonical(nas::pruned(dag), bytes);
        } catch (const std::invalid_argument& error) {
            throw std::invalid_argument(std::string(where) + ": row " + std::to_string(i) + ": " +
                                        error.what());
        }
    }
};

nb::list dag_canonical_bytes(const Dags& dags) {
    dags.check("dag_canonical_bytes");
    nb::list result;
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < dags.count(); ++i) {
        bytes.clear();
        dags.append_canonical("dag_canonical_bytes", i, bytes);
        result.append(nb::bytes(bytes.data(), bytes.size()));
    }
    return result;
}

OutputArray<std::uint64_t> dag_canonical_hash(const Dags& dags) {
    dags.check("dag_canonical_hash");
    auto out = empty_array<std::uint64_t>({dags.count()});
    std::uint64_t* hashes = out.data();
    nb::gil_scoped_release released;
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < dags.count(); ++i) {
        bytes.clear();
        dags.append_canonical("dag_canonical_hash", i, bytes);
        hashes[i] = nas::hash_bytes(bytes.data(), bytes.size());
    }
    return out;
}

template <auto function>
auto of_arrays(InputArray<std::uint8_t, 3> adjacency, InputArray<std::int32_t, 2> labels,
               std::optional<InputArray<std::int64_t, 1>> sizes, bool prune) {
    return function(Dags{std::move(adjacency), std::move(labels), std::move(sizes), prune});
}

}  // namespace

void export_labelled_dag(nb::module_& module) {
    module.def("dag_canonical_bytes", &of_arrays<dag_canonical_bytes>, nb::arg("adjacency").noconvert(),
               nb::arg("labels").noconvert(), nb::arg("sizes").noconvert().none(), nb::arg("prune"),
               "Canonical bytes of each labelled DAG.");
    module.def("dag_canonical_hash", &of_arrays<dag_canonical_hash>, nb::arg("adjacency").noconvert(),
               nb::arg("labels").noconvert(), nb::arg("sizes").noconvert().none(), nb::arg("prune"),
               "64 bits of the canonical bytes of each labelled DAG, uint64 [n].");
}
