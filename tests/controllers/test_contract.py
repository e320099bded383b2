"""The contract suite on every registered controller."""

from __future__ import annotations

from functools import partial

import pytest

from efficient_nas import controllers
from efficient_nas.testing import controller_contract


@pytest.mark.parametrize("name", controllers.available())
@pytest.mark.parametrize("check", controller_contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(name: str, check: controller_contract.Check) -> None:
    check(partial(controllers.create, name))
