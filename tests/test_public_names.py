"""What `import efficient_nas as nas` offers, and that it costs little before it is used."""

from __future__ import annotations

import subprocess
import sys

import efficient_nas as nas


def test_every_listed_name_exists() -> None:
    missing = [name for name in dir(nas) if not hasattr(nas, name)]
    assert missing == []
    for name in ("spaces", "pareto", "controllers", "objectives", "search", "load_run", "Architecture"):
        assert name in dir(nas)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(nas, "serach")


def test_torch_is_imported_only_when_needed() -> None:
    code = "import sys, efficient_nas, efficient_nas.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
