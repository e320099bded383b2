#include "bindings.h"

NB_MODULE(_core, module) {
    nb::set_leak_warnings(false);  // objects of a script's module level are still alive when Python exits
    module.doc() = "Native core of efficient_nas: spaces, graphs, Pareto fronts, populations.";
    module.attr("__version__") = EFFNAS_VERSION;
    export_build(module);
    export_forms(module);
    export_cells(module);
    export_depthwise(module);
    export_kept(module);
    export_mixed(module);
    export_pareto(module);
    export_reference(module);
    export_graph(module);
    export_labelled_dag(module);
    export_graph_variation(module);
    export_graph_nsga2(module);
    export_rng(module);
    export_space(module);
    export_fitness(module);
    export_evolution(module);
    export_notation(module);
}
