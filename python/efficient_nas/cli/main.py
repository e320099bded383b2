"""Arguments and exit codes. Imports nothing heavy, so that `--help` is quick."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from efficient_nas._core import __version__
from efficient_nas.errors import EfficientNasError, ExportError, Interrupted, RunFolderError

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 2 bad input, 3 interrupted but resumable, 1 anything else."""
    parsed = _parser().parse_args(arguments)
    try:
        with _terminated_as_interrupted():
            from efficient_nas.cli import commands

            return int(getattr(commands, parsed.command)(parsed))
    except Interrupted as error:
        return _interrupted(parsed, str(error), str(error.run_folder))
    except KeyboardInterrupt:
        if getattr(parsed, "resume", None):
            return _interrupted(parsed, "stopped before anything new was done", parsed.resume)
        print("stopped before anything was worth keeping", file=sys.stderr)
        return FAILED
    except EfficientNasError as error:
        print(f"error: {error}", file=sys.stderr)
        # What the user gave (a config, a table, a folder) is wrong if the error is about a value or a folder.
        return BAD_INPUT if isinstance(error, (ValueError, RunFolderError, ExportError)) else FAILED


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM stops like Ctrl-C in this block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupted(parsed: argparse.Namespace, message: str, folder: str) -> int:
    words = ["efficient-nas", "search", "--resume", folder]
    for package in parsed.allow_import:
        words += ["--allow-import", package]
    print(f"{message}\nresume with: {shlex.join(words)}", file=sys.stderr)
    return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="efficient-nas",
        description="Hardware-aware neural architecture search for PyTorch.",
        epilog="Exit codes: 0 done, 2 bad input, 3 interrupted but resumable, 1 anything else.",
    )
    parser.add_argument("--version", action="version", version=f"efficient-nas {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _search(commands.add_parser("search", help="run or resume a search"))
    _report(commands.add_parser("report", help="render the report of a run again"))
    _export(commands.add_parser("export", help="export the trained finalists of a run"))
    commands.add_parser("spaces", help="list the search spaces")
    commands.add_parser("controllers", help="list the controllers")
    return parser


def _search(parser: argparse.ArgumentParser) -> None:
    parser.description = "Runs the search that a YAML config describes, or goes on with one that was stopped."
    parser.add_argument("config", nargs="?", metavar="CONFIG", help="YAML file; not needed with --resume")
    parser.add_argument("--resume", metavar="DIR", help="go on in this run folder")
    parser.add_argument(
        "--output", metavar="DIR", help="run folder; default: the next free runs/<config>-<n>"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a field, e.g. --set budget.trials=200 (VALUE is YAML); repeatable",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="worker processes, 0 for none; does not change what is found"
    )
    parser.add_argument(
        "--allow-import",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="let dotted names in the config (package.module:factory) import this package; repeatable",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")


def _report(parser: argparse.ArgumentParser) -> None:
    parser.description = "Renders report.html of a run folder again, also while the search is running."
    parser.add_argument("folder", metavar="DIR", help="run folder")
    parser.add_argument("--open", action="store_true", help="show it in the browser")


def _export(parser: argparse.ArgumentParser) -> None:
    parser.description = "Exports every trained finalist and compares the reloaded file with the network."
    parser.add_argument("folder", metavar="DIR", help="run folder")
    parser.add_argument(
        "--format",
        action="append",
        metavar="FORMAT",
        help="onnx or pt2 (torch.export); repeatable; default: all that are installed",
    )
