"""What goes into the ledger comes out bit for bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from efficient_nas.ledger.encoding import dump_state, dumps, load_state, loads

KEYS = st.text(max_size=5).filter(lambda key: key not in {"$float", "$array"})
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
ARRAYS = hnp.arrays(
    st.sampled_from([np.uint8, np.int64, np.float32, np.float64, np.bool_]), hnp.array_shapes(min_dims=0)
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b and (a != 0 or not isinstance(a, float) or repr(a) == repr(b))


@given(PLAIN)
def test_values_read_back(value: Any) -> None:
    text = dumps(value)
    assert same(value, loads(text))
    assert dumps(loads(text)) == text


@given(st.dictionaries(KEYS, PLAIN | ARRAYS | st.lists(ARRAYS, max_size=2), max_size=4))
def test_states_read_back(state: dict[str, Any]) -> None:
    assert same(state, load_state(*dump_state(state)))


def test_numpy_scalars_become_numbers() -> None:
    assert loads(dumps({"a": np.float64(0.1), "b": np.int32(3), "c": np.bool_(True)})) == {
        "a": 0.1,
        "b": 3,
        "c": True,
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [object()]}, r"value\.a\[0\]: cannot be stored without pickle, got object"),
        ({"a": {1: 2}}, r"value\.a: keys must be strings .* got 1"),
        ({"$float": 1}, r"keys must be strings other than \$float"),
        (np.zeros(2), "cannot be stored"),
        (b"bytes", "cannot be stored"),
    ],
)
def test_what_needs_pickle_is_refused(value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        dumps(value)


def test_arrays_of_objects_are_refused() -> None:
    with pytest.raises(TypeError, match=r"state\.x: cannot be stored without pickle"):
        dump_state({"x": np.array([None])})
