"""What each command does; the function has the command's name and returns the exit code."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from rich.console import Console
from rich.table import Table

from efficient_nas import controllers as controller_registry
from efficient_nas import recipes
from efficient_nas import spaces as space_registry
from efficient_nas.cli.display import display
from efficient_nas.cli.results import result_table
from efficient_nas.errors import ConfigError


def search(arguments: argparse.Namespace) -> int:
    """Runs or resumes a search."""
    if arguments.config is None and arguments.resume is None:
        raise ConfigError("CONFIG", "is required: a YAML file, or --resume DIR")
    if arguments.resume is not None and arguments.output is not None:
        raise ConfigError("--output", "cannot be combined with --resume: the run folder is the output")
    overrides = list(arguments.set)
    if arguments.workers is not None:
        overrides.append(f"execution.workers={arguments.workers}")
    if arguments.allow_import:
        sys.path.insert(0, str(Path.cwd()))  # where a script of the user's own would look first
    with display(quiet=arguments.quiet) as observer:
        run = recipes.search(
            arguments.config,
            output=arguments.resume or arguments.output,
            resume=arguments.resume is not None,
            allow_imports=arguments.allow_import,
            overrides=overrides,
            observer=observer,
        )
    if not arguments.quiet:
        if run.best is not None:
            Console().print(result_table(run))
        for note in run.notes:
            print(f"note: {note}")
        print(f"run folder: {run.path}\nreport:     {run.report_path}")
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Renders the report again."""
    path = recipes.write_report(recipes.load_run(arguments.folder))
    print(path)
    if arguments.open and not webbrowser.open(path.resolve().as_uri()):
        print("no browser could be started", file=sys.stderr)
        return 1
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Exports the finalists; 1 if a file does not compute what the network does."""
    written = recipes.export_run(arguments.folder, arguments.format)
    for rank, parity in written:
        verdict = "same outputs" if parity.ok else "DIFFERENT OUTPUTS"
        print(
            f"finalist {rank}: {parity.path}: {verdict} "
            f"(largest difference {parity.max_abs_error:.2g}, allowed {parity.tolerance:.2g})"
        )
    return 0 if all(parity.ok for _, parity in written) else 1


def spaces(arguments: argparse.Namespace) -> int:
    """Lists the search spaces with their sizes."""
    table = Table("space", "choices", "architectures", "what it is", box=None, pad_edge=False)
    for name in space_registry.available():
        space = space_registry.create(name)
        size = f"{space.size:,}" if space.size < 10**9 else f"{space.size:.3g}"
        table.add_row(name, str(space.num_choices), size, _first_line(space_registry.factory(name)))
    Console().print(table)
    return 0


def controllers(arguments: argparse.Namespace) -> int:
    """Lists the controllers."""
    table = Table("controller", "what it is", box=None, pad_edge=False)
    for name in controller_registry.available():
        table.add_row(name, _first_line(controller_registry.factory(name)))
    Console().print(table)
    return 0


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().split("\n")[0]
