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
