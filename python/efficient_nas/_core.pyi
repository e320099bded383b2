"""Types of the native module; each block mirrors one csrc/bindings/bind_<topic>.cpp."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

__version__: str

# bind_build.cpp
compiler: str
has_cuda_kernels: bool

def simd_path() -> str: ...
def simd_paths() -> list[str]: ...

# bind_forms.cpp
_Costs: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]

class CanonicalForm:
    def canonical_bytes(self, genotypes: npt.NDArray[np.uint8]) -> list[bytes]: ...
    def canonical_hash(self, genotypes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]: ...

def genotype_form(num_choices: int) -> CanonicalForm: ...

class CostTables:
    def costs(self, genotypes: npt.NDArray[np.uint8]) -> _Costs: ...

# bind_cells.cpp
_CostTuple: TypeAlias = tuple[int, int, int]  # macs, params, peak bytes

def nasbench201_form(shared: bool) -> CanonicalForm: ...

class NASBench201Costs(CostTables):
    def __init__(
        self,
        stages: list[tuple[int, list[_CostTuple]]],
        cells_per_stage: int,
        input_bytes: int,
        rest: _CostTuple,
        zero_peak_bytes: int,
    ) -> None: ...

def darts_form(shared: bool) -> CanonicalForm: ...

class DARTSCosts(CostTables):
    def __init__(
        self,
        cells: list[tuple[bool, int, int, int, list[_CostTuple], list[_CostTuple]]],
        rest: _CostTuple,
    ) -> None: ...

class Chain(CostTables):
    def __init__(
        self,
        cardinalities: list[int],
        layers: list[tuple[list[tuple[int, int]], list[tuple[int, _CostTuple]], int, list[int]]],
        rest: _CostTuple,
    ) -> None: ...
    def form(self) -> CanonicalForm: ...

# bind_depthwise.cpp
class DepthwiseConv2d:
    def __init__(
        self,
        batch: int,
        channels: int,
        input: tuple[int, int],
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> None: ...
    def output(self) -> tuple[int, int]: ...
    def forward(self, storage: str, input: int, weight: int, output: int, threads: int) -> None: ...
    def input_gradient(
        self, storage: str, output_gradient: int, weight: int, input_gradient: int, threads: int
    ) -> None: ...
    def weight_gradient(
        self, storage: str, output_gradient: int, input: int, weight_gradient: int, threads: int
    ) -> None: ...

# bind_graph.cpp
_NodeTuple: TypeAlias = tuple[str, int, int, int, int, int, bool]

def operations() -> list[str]: ...
def check_node(node: _NodeTuple) -> None: ...

class Graph:
    def __init__(
        self, nodes: list[_NodeTuple], connections: list[tuple[int, int]], input_shape: tuple[int, int, int]
    ) -> None: ...
    @property
    def macs(self) -> int: ...
    @property
    def params(self) -> int: ...
    @property
    def peak_activation_bytes(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def topological_order(self) -> list[int]: ...
    @property
    def execution_order(self) -> list[int]: ...
    @property
    def kept_nodes(self) -> list[int]: ...
    def canonical_bytes(self, kind: str) -> bytes: ...
    def canonical_hash(self, kind: str) -> int: ...
    @property
    def alive(self) -> list[bool]: ...
    @property
    def shapes(self) -> list[tuple[int, int, int]]: ...
    @property
    def received_shapes(self) -> list[tuple[int, int, int]]: ...

# bind_labelled_dag.cpp
def dag_canonical_bytes(
    adjacency: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int64] | None,
    prune: bool,
) -> list[bytes]: ...
def dag_canonical_hash(
    adjacency: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int64] | None,
    prune: bool,
) -> npt.NDArray[np.uint64]: ...

# bind_graph_variation.cpp
GraphTuple: TypeAlias = tuple[list[_NodeTuple], list[tuple[int, int]], list[int]]

def mutation_kinds() -> list[str]: ...
def mutate_graph(parent: Graph, kinds: list[str], seed: int) -> GraphTuple | None: ...
def draw_kind(seed: int, kinds: int) -> int: ...
def cross_graphs(a: Graph, b: Graph, seed: int) -> GraphTuple: ...

# bind_graph_nsga2.cpp
class GraphNsga2:
    def __init__(
        self,
        initial: list[Graph],
        population_size: int,
        seed: int,
        kinds: list[str],
        max_nodes: int,
        max_channels: int,
    ) -> None: ...
    def ask(self, n: int, threads: int) -> int: ...
    def asked(self) -> list[GraphTuple]: ...
    def tell(self, values: npt.NDArray[np.float64]) -> None: ...
    def population(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float64]]: ...

# bind_rng.cpp
def random_u64(seed: int, stream: int, n: int) -> npt.NDArray[np.uint64]: ...

# bind_pareto.cpp
def nondominated_sort(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]: ...
def is_nondominated(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]: ...
def crowding_distance(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...
def hypervolume(values: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]) -> float: ...
def pareto_rank(
    values: npt.NDArray[np.float64], violation: npt.NDArray[np.float64], failed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]: ...

# bind_reference.cpp
def reference_directions(
    objectives: int, partitions: int, inner_partitions: int
) -> npt.NDArray[np.float64]: ...

class ReferenceSelection:
    def __init__(self, directions: npt.NDArray[np.float64]) -> None: ...
    def select(self, values: npt.NDArray[np.float64], count: int, seed: int) -> npt.NDArray[np.int64]: ...

# bind_fitness.cpp
class Fitness:
    @property
    def num_objectives(self) -> int: ...
    def check(self, space: SpaceSpec) -> None: ...
    def evaluate(self, space: SpaceSpec, genotypes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]: ...

class AdditiveFitness(Fitness):
    def __init__(self, amounts: npt.NDArray[np.float64]) -> None: ...

class TableFitness(Fitness):
    def __init__(self, cardinalities: list[int], values: npt.NDArray[np.float64]) -> None: ...

class CostFitness(Fitness):
    def __init__(self, tables: CostTables, metrics: list[str]) -> None: ...

class JoinedFitness(Fitness):
    def __init__(self, parts: list[Fitness]) -> None: ...

# bind_evolution.cpp
_Keys: TypeAlias = CanonicalForm | Callable[[npt.NDArray[np.uint8]], list[bytes]]

class Evolution:
    def ask(self, n: int, threads: int) -> npt.NDArray[np.uint8]: ...
    def tell(self, values: npt.NDArray[np.float64], threads: int) -> None: ...
    def run(self, fitness: Fitness, signs: list[float], batches: int, n: int, threads: int) -> int: ...
    def population(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]: ...
    def history(
        self, n: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64], npt.NDArray[np.int32]]: ...
    @property
    def told(self) -> int: ...

def nsga2(space: SpaceSpec, population_size: int, seed: int, keys: _Keys) -> Evolution: ...
def nsga3(
    space: SpaceSpec, population_size: int, seed: int, directions: npt.NDArray[np.float64], keys: _Keys
) -> Evolution: ...
def random_search(space: SpaceSpec, population_size: int, seed: int, keys: _Keys) -> Evolution: ...
def islands(
    space: SpaceSpec,
    islands: int,
    population_size: int,
    migration_interval: int,
    migrants: int,
    seed: int,
    keys: _Keys,
) -> Evolution: ...
def local_search(space: SpaceSpec, initial_size: int, seed: int, keys: _Keys) -> Evolution: ...
def regularized_evolution(
    space: SpaceSpec, population_size: int, sample_size: int, seed: int
) -> Evolution: ...

# bind_space.cpp
class SpaceSpec:
    def __init__(
        self,
        names: list[str],
        options: list[list[str]],
        allowed: list[list[int]],
        conditions: list[list[tuple[int, list[int]]]],
        ordered: list[tuple[int, int]],
    ) -> None: ...
    def sample(self, n: int, seed: int) -> npt.NDArray[np.uint8]: ...
    def mutate(
        self, genotypes: npt.NDArray[np.uint8], seed: int, mutations: int
    ) -> npt.NDArray[np.uint8]: ...
    def crossover(
        self, a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], seed: int
    ) -> npt.NDArray[np.uint8]: ...
    def repair(self, genotypes: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]: ...
    def validate(self, genotypes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]: ...
    def require_valid(self, genotypes: npt.NDArray[np.uint8], where: str) -> None: ...
    def why_invalid(self, genotype: npt.NDArray[np.uint8]) -> str | None: ...
    def neighbours(self, genotype: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]: ...
    def enumerate(self, limit: int) -> npt.NDArray[np.uint8]: ...
    def active(self, genotypes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]: ...
    def option_mask(self, prefixes: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.bool_]: ...
    def one_hot(self, genotypes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]: ...

def first_occurrences(keys: list[bytes]) -> npt.NDArray[np.int64]: ...
def hash_keys(keys: list[bytes]) -> npt.NDArray[np.uint64]: ...

# bind_notation.cpp
def architecture_from_json(
    text: str,
) -> tuple[
    list[tuple[str, int, int, int, int | None, int, bool]], list[tuple[int, int]], tuple[int, int, int]
]: ...
def architecture_to_json(graph: Graph) -> str: ...
def nasbench201_from_string(text: str) -> npt.NDArray[np.uint8]: ...
def nasbench201_to_string(genotype: npt.NDArray[np.uint8]) -> str: ...
def darts_from_string(text: str) -> npt.NDArray[np.uint8]: ...
def darts_to_string(genotype: npt.NDArray[np.uint8]) -> str: ...
def space_from_string(space: SpaceSpec, text: str) -> npt.NDArray[np.uint8]: ...
def space_to_string(space: SpaceSpec, genotype: npt.NDArray[np.uint8]) -> str: ...

# bind_kept.cpp

def kept_tensors(dtype: str, layouts: list[tuple[list[int], list[int]]]) -> list[Tensor]: ...

# bind_mixed.cpp

class MixedCell:
    def __init__(
        self,
        inputs: int,
        edges: list[tuple[int, int, int, list[tuple[str, int, int, int, str, bool]], int]],
    ) -> None: ...
    def saved_elements(self, shapes: list[tuple[int, int, int]], channels: list[int]) -> list[int]: ...
    def statistics_size(self, shapes: list[tuple[int, int, int]], channels: list[int]) -> int: ...
    def forward(
        self,
        dtype: str,
        batch: int,
        shapes: list[tuple[int, int, int]],
        channels: list[int],
        inputs: list[int],
        pitches: list[int],
        alphas: int,
        parameters: list[int],
        running: list[int],
        outputs: list[int],
        saved: list[int],
        statistics: int,
        training: bool,
        eps: float,
        skip_zero: bool,
        threads: int,
    ) -> None: ...
    def backward(
        self,
        dtype: str,
        batch: int,
        shapes: list[tuple[int, int, int]],
        channels: list[int],
        inputs: list[int],
        pitches: list[int],
        alphas: int,
        parameters: list[int],
        outputs: list[int],
        output_gradients: list[int],
        saved: list[int],
        statistics: int,
        training: bool,
        eps: float,
        skip_zero: bool,
        input_gradients: list[int],
        alpha_gradients: int,
        parameter_gradients: list[int],
        threads: int,
    ) -> None: ...
    def update_running(
        self,
        dtype: str,
        batch: int,
        shapes: list[tuple[int, int, int]],
        channels: list[int],
        alphas: int,
        statistics: int,
        running: list[int],
        momentum: float,
        skip_zero: bool,
    ) -> None: ...
