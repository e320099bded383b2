"""Types of the native module; each block mirrors one csrc/bindings/bind_<topic>.cpp."""

import numpy as np
import numpy.typing as npt

__version__: str

# bind_build.cpp
compiler: str
simd: str
has_cuda_kernels: bool

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
