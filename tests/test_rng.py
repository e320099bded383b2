import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas import _core

u64 = st.integers(0, 2**64 - 1)


@given(seed=u64, stream=u64, n=st.integers(0, 17))
def test_stream_is_the_philox_of_numpy(seed: int, stream: int, n: int) -> None:
    # numpy increments its counter before the first block, so it starts one below ours.
    reference = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64), counter=2**256 - 1)
    np.testing.assert_array_equal(_core.random_u64(seed, stream, n), reference.random_raw(n))
