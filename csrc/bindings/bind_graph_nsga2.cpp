#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/evolution/graph_nsga2.hpp"
#include "efficient_nas/kept_workers.hpp"
#include "genotypes.h"
#include "graph_tuples.h"

namespace nas = efficient_nas;

namespace {

// One call at a time uses the search: a second thread waits, without the GIL.
class GraphSearch {
  public:
    GraphSearch(const std::vector<const nas::Graph*>& initial, nb::handle population_size, nb::handle seed,
                const std::vector<std::string>& kinds, nb::handle max_nodes, nb::handle max_channels)
        : nsga2_(copies(initial), count_argument("ArchitectureNSGA2: population_size", population_size, 2),
                 seed_argument("ArchitectureNSGA2", seed), parse_kinds(kinds),
                 {.max_nodes = count_argument("ArchitectureNSGA2: max_nodes", max_nodes, 2),
                  .max_channels = static_cast<std::int64_t>(
                      count_argument("ArchitectureNSGA2: max_channels", max_channels, 1))}) {}

    template <class Work>
    auto use(const Work& work) {
        nb::gil_scoped_release release;
        const std::lock_guard lock(mutex_);
        return work(nsga2_);
    }

    std::size_t ask(std::size_t n, std::size_t threads) {
        return use([&](nas::GraphNsga2& search) { return search.ask(n, workers_.get(threads)); });
    }

  private:
    static std::vector<nas::Graph> copies(const std::vector<const nas::Graph*>& graphs) {
        std::vector<nas::Graph> copied;
        for (const nas::Graph* graph : graphs) copied.push_back(*graph);
        return copied;
    }

    std::mutex mutex_;
    nas::GraphNsga2 nsga2_;
    nas::KeptWorkers workers_;
};

}  // namespace

void export_graph_nsga2(nb::module_& module) {
    nb::class_<GraphSearch>(module, "GraphNsga2",
                            "NSGA-II over graphs as ask and tell; see evolution.ArchitectureNSGA2.")
        .def(nb::init<const std::vector<const nas::Graph*>&, nb::handle, nb::handle,
                      const std::vector<std::string>&, nb::handle, nb::handle>(),
             nb::arg("initial"), nb::arg("population_size").none(), nb::arg("seed").none(), nb::arg("kinds"),
             nb::arg("max_nodes").none(), nb::arg("max_channels").none())
        .def(
            "ask",
            [](GraphSearch& self, nb::handle n, std::size_t threads) {
                return self.ask(count_argument("ArchitectureNSGA2: batch", n, 1), threads);
            },
            nb::arg("n").none(), nb::arg("threads"),
            "Makes children without any Python object and returns how many.")
        .def("asked",
             [](GraphSearch& self) {
                 return self.use([](const nas::GraphNsga2& search) {
                     std::vector<GraphTuple> tuples;
                     for (const nas::Graph& graph : search.asked())
                         tuples.push_back(to_tuple(graph.nodes(), graph.connections(), {}));
                     return tuples;
                 });
             })
        .def(
            "tell",
            [](GraphSearch& self, const InputArray<double, 2>& values) {
                self.use([&values](nas::GraphNsga2& search) {
                    search.tell(values.data(), values.shape(0), values.shape(1));
                });
            },
            nb::arg("values").noconvert())
        .def("population", [](GraphSearch& self) {
            std::vector<std::uint32_t> members;
            std::size_t objectives = 0;
            std::vector<double> values = self.use([&](const nas::GraphNsga2& search) {
                for (std::size_t i = 0; i < search.size(); ++i) members.push_back(search.member(i));
                objectives = search.num_objectives();
                return search.values();
            });
            const std::size_t n = members.size();
            return nb::make_tuple(make_array(std::move(members), {n}),
                                  make_array(std::move(values), {n, objectives}));
        });
}
