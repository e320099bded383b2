"""`Architecture`: a typed DAG of operations, its costs and canonical forms (docs/design/architectures.md)."""

from efficient_nas.graph.architecture import Architecture as Architecture
from efficient_nas.graph.architecture import operations as operations
from efficient_nas.graph.node import ArchNode as ArchNode
