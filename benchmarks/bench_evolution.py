"""Speed and memory of the evolution core, against other libraries in the same run, one thread unless said.

    python benchmarks/bench_evolution.py [--only TOPIC ...] [--rounds N] [--output FILE]

Peers: `pip install efficient-nas[bench]`. One that is not installed is left out, and the report says so.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import torch

from breeding_topics import child_production
from command_line import Topic, run_topics
from graph_topics import labelled_dags
from memory_topics import memory
from nsga2_topics import nsga2
from pareto_topics import hypervolume, nondominated_sort
from peers import installed
from regularized_topics import regularized_evolution

TOPICS: list[Topic] = [
    nsga2,
    nondominated_sort,
    hypervolume,
    child_production,
    regularized_evolution,
    labelled_dags,
    memory,
]


def main(arguments: Sequence[str]) -> None:
    torch.set_num_threads(1)  # of evotorch
    if installed("evotorch"):
        from evotorch.tools import set_default_logger_config

        set_default_logger_config(logger_level=logging.WARNING, override=True)
    run_topics("bench_evolution.py", "Evolution core", __doc__ or "", TOPICS, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
