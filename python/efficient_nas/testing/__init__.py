"""Contract suites for parts that come from elsewhere."""

from efficient_nas.testing import controller_contract as controller_contract
