"""What every controller must do, as checks that raise AssertionError with the reason.

In the tests of a project with a controller of its own:

    from efficient_nas.testing import controller_contract

    @pytest.mark.parametrize("check", controller_contract.CHECKS, ids=lambda check: check.__name__)
    def test_contract(check):
        check(MyController)          # or any callable (space, seed) -> controller
"""

from __future__ import annotations

import copy
import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from efficient_nas.errors import SpaceExhausted
from efficient_nas.protocols import Controller, SearchSpace
from efficient_nas.testing.controller_spaces import conditional_space, symmetric_space
from efficient_nas.types import Proposal, Result

Create = Callable[[SearchSpace, int], Controller]
Check = Callable[[Create], None]


def check_proposals(create: Create) -> None:
    """Proposals are valid genotypes with the trial numbers 0, 1, 2, ... and an origin."""
    space = conditional_space()
    proposals = _search(create(space, 3), 60)
    _require([p.trial for p in proposals] == list(range(60)), "trials must be numbered 0, 1, 2, ...")
    for p in proposals:
        _require(
            isinstance(p.genotype, np.ndarray)
            and p.genotype.dtype == np.uint8
            and p.genotype.shape == (space.num_choices,)
            and bool(space.validate(p.genotype[None])[0]),
            f"trial {p.trial}: not a valid genotype uint8 [{space.num_choices}]: {p.genotype!r}",
        )
        _require(
            isinstance(p.origin, str) and p.origin != "", f"trial {p.trial}: origin must say who proposed"
        )


def check_no_architecture_twice(create: Create) -> None:
    """No two proposals are one architecture, and none is one that the controller was told about."""
    space = symmetric_space(5)
    controller = create(space, 1)
    foreign = [Result(-1 - i, g, "archive", (float(i),)) for i, g in enumerate(space.sample(3, 5))]
    controller.tell(foreign)
    told = set(space.canonical_bytes(np.stack([r.genotype for r in foreign])))
    keys = space.canonical_bytes(np.stack([p.genotype for p in _search(controller, 21 - len(told))]))
    _require(len(set(keys)) == len(keys), "an architecture was proposed twice")
    _require(not told & set(keys), "an architecture was proposed that had been told before")


def check_whole_space(create: Create) -> None:
    """A small space is proposed to the last architecture; then `ask` raises SpaceExhausted."""
    space = symmetric_space(3)
    controller = create(space, 2)
    proposals: list[Proposal] = []
    while len(proposals) < 10:
        asked = controller.ask(4)
        _require(0 < len(asked) <= 4, f"ask(4) gave {len(asked)} proposals with architectures left")
        proposals += asked
        controller.tell([_result(p) for p in asked])
    _require(len(proposals) == 10, "more proposals than architectures")
    for _ in range(2):
        try:
            controller.ask(1)
        except SpaceExhausted:
            continue
        raise AssertionError("ask must raise SpaceExhausted when every architecture was proposed")


def check_same_seed_same_search(create: Create) -> None:
    """The proposals depend on the seed and the sequence of calls, and on nothing else."""
    first = _search(create(conditional_space(), 7), 50)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002, a disturbance on purpose
    torch.manual_seed(1)
    _same(first, _search(create(conditional_space(), 7), 50), "the same seed")
    other = _search(create(conditional_space(), 8), 50)
    _require(_texts(first) != _texts(other), "seeds 7 and 8 gave the same proposals")


def check_global_random_numbers(create: Create) -> None:
    """The global generators of Python, numpy and torch are left as they were."""
    before = _global_generators()
    _search(create(conditional_space(), 0), 40)
    after = _global_generators()
    _require(before == after, "a global random generator was used")


def check_ask_in_any_portions(create: Create) -> None:
    """`ask(n)` gives what n calls of `ask(1)` give; telling one by one is telling them together."""
    together, apart = create(conditional_space(), 4), create(conditional_space(), 4)
    for n in (1, 7, 3, 12, 1, 20):
        a = together.ask(n)
        b = [apart.ask(1)[0] for _ in range(n)]
        _same(a, b, f"ask({n}) and {n} times ask(1)")
        together.tell([_result(p) for p in a])
        for p in b:
            apart.tell([_result(p)])
    together.tell([])
    _same(together.ask(5), apart.ask(5), "tell of a list and one by one")


def check_open_asks(create: Create) -> None:
    """Several proposals may be open at once, and results may come in another order."""
    controller = create(conditional_space(), 5)
    waiting = controller.ask(8)
    for _ in range(40):
        controller.tell([_result(waiting.pop(3))])
        waiting += controller.ask(1)
    controller.tell([_result(p) for p in reversed(waiting)])
    _require(controller.ask(1)[0].trial == 48, "trial numbers must go on after results out of order")


def check_failed_trials(create: Create) -> None:
    """Failed trials are results: the search goes on when some fail, and when all do."""
    for share in (3, 1):
        controller = create(conditional_space(), 6)
        for _ in range(60):
            (p,) = controller.ask(1)
            failed = p.trial % share == 0
            controller.tell([_failure(p) if failed else _result(p)])


def check_several_objectives(create: Create) -> None:
    """Results with two values and with violations are accepted."""
    controller = create(conditional_space(), 9)
    for _ in range(60):
        (p,) = controller.ask(1)
        size = float(p.genotype.sum())
        controller.tell([Result(p.trial, p.genotype, p.origin, (-size, size**2), max(0.0, size - 9))])


def check_state(create: Create) -> None:
    """Saved, loaded into a fresh instance and continued, it proposes what the unbroken one does.

    At several moments, with proposals open, and the state holds nothing but JSON values and numpy arrays.
    """
    for told in (0, 1, 12, 45):
        unbroken = create(conditional_space(), 11)
        waiting = unbroken.ask(4)
        for t in range(told):
            p = waiting.pop(0)
            unbroken.tell([_failure(p) if t % 9 == 4 else _result(p)])
            waiting += unbroken.ask(1)
        state = unbroken.state_dict()
        _require_plain(state, "state")
        saved = copy.deepcopy(state)
        restored = create(conditional_space(), 11)
        restored.load_state_dict(state)
        other = list(waiting)
        for _ in range(30):
            unbroken.tell([_result(waiting.pop(0))])
            restored.tell([_result(other.pop(0))])
            waiting += unbroken.ask(1)
            other += restored.ask(1)
            _same(waiting, other, f"saved after {told} results and the unbroken search")
        _require(_equal(state, saved), "going on changed a state that was handed out or loaded")


def check_stages(create: Create) -> None:
    """Proposals stay inside the open stage, leave it when the next one opens, and states work in between."""
    space = conditional_space()
    small = space.restrict(max_depth=2, operations=["skip", "conv3x3"])
    controller = create(small, 12)
    proposals = _search(controller, 12)
    inside = small.validate(np.stack([p.genotype for p in proposals]))
    _require(bool(inside.all()), "a proposal lies outside the open stage")
    late = controller.ask(2)
    controller.open_stage(space)
    fresh = create(space, 12)
    fresh.load_state_dict(controller.state_dict())
    for c in (controller, fresh):
        c.tell([_result(p) for p in late])
    proposals = _search(controller, 40)
    _same(proposals, _search(fresh, 40), "saved after a stage opened and the unbroken search")
    outside = ~small.validate(np.stack([p.genotype for p in proposals]))
    _require(bool(outside.any()), "40 proposals after opening the whole space all lie in the stage before")


def check_arguments_are_left_alone(create: Create) -> None:
    """Changing a genotype that was handed out changes nothing inside, and results are not written to."""
    first, second = create(conditional_space(), 13), create(conditional_space(), 13)
    for _ in range(40):
        (a,), (b,) = first.ask(1), second.ask(1)
        _same([a], [b], "changed genotypes and untouched ones")
        copied = a.genotype.copy()
        first.tell([_result(a)])
        _require(bool((a.genotype == copied).all()), "tell changed the genotype of a result")
        a.genotype[:] = 0
        second.tell([_result(b)])


CHECKS: Sequence[Check] = (
    check_proposals,
    check_no_architecture_twice,
    check_whole_space,
    check_same_seed_same_search,
    check_global_random_numbers,
    check_ask_in_any_portions,
    check_open_asks,
    check_failed_trials,
    check_several_objectives,
    check_state,
    check_stages,
    check_arguments_are_left_alone,
)


def _search(controller: Controller, trials: int) -> list[Proposal]:
    proposals = []
    for _ in range(trials):
        (proposal,) = controller.ask(1)
        proposals.append(proposal)
        controller.tell([_result(proposal)])
    return proposals


def _result(p: Proposal) -> Result:
    """Rewards large options, later choices more."""
    weights = 1.0 + np.arange(len(p.genotype)) / len(p.genotype)
    return Result(p.trial, p.genotype, p.origin, (float(-(weights * p.genotype).sum()),))


def _failure(p: Proposal) -> Result:
    return Result(p.trial, p.genotype, p.origin, (math.inf,), failed=True)


def _global_generators() -> tuple[Any, ...]:
    numpy_state: Any = np.random.get_state()  # noqa: NPY002, that is what is watched
    return random.getstate(), numpy_state[1].tolist(), numpy_state[2:], torch.get_rng_state().tolist()


def _texts(proposals: Sequence[Proposal]) -> list[tuple[int, list[int], str]]:
    return [(p.trial, p.genotype.tolist(), p.origin) for p in proposals]


def _same(a: Sequence[Proposal], b: Sequence[Proposal], what: str) -> None:
    for x, y in itertools.zip_longest(_texts(a), _texts(b)):
        _require(x == y, f"{what} differ: {x} and {y}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _require_plain(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _require(isinstance(key, str), f"{path}: key {key!r} is not a string")
            _require_plain(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _require_plain(item, f"{path}[{index}]")
    elif isinstance(value, np.ndarray):
        _require(value.dtype.kind in "biuf", f"{path}: arrays must hold numbers, got dtype {value.dtype}")
    else:
        plain = value is None or type(value) in (bool, int, float, str)
        _require(plain, f"{path} is {type(value).__name__}, neither a JSON value nor a numpy array")


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)
