"""`Architecture`: a typed DAG of operations, its costs and canonical forms (docs/design/architectures.md)."""

from efficient_nas.graph.architecture import Architecture as Architecture
from efficient_nas.graph.architecture import operations as operations
from efficient_nas.graph.labelled_dags import dag_canonical_bytes as dag_canonical_bytes
from efficient_nas.graph.labelled_dags import dag_canonical_hash as dag_canonical_hash
from efficient_nas.graph.mutation import MUTATION_KINDS as MUTATION_KINDS
from efficient_nas.graph.mutation import crossover as crossover
from efficient_nas.graph.mutation import mutate as mutate
from efficient_nas.graph.node import ArchNode as ArchNode
