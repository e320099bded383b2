"""The command line that the benchmarks with topics share.

A topic is a function that takes the number of rounds and returns a Markdown section.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import header

Topic = Callable[[int], str]


def run_topics(
    script: str, title: str, description: str, topics: Sequence[Topic], arguments: Sequence[str]
) -> None:
    """Prints the report of the topics asked for, and writes it where `--output` says."""
    names = [topic.__name__ for topic in topics]
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="TOPIC", help=", ".join(names)
    )
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds (default 15)")
    parser.add_argument("--output", type=Path, help="Markdown file; without it the result is only printed")
    options = parser.parse_args(arguments)
    sections = [header(title, " ".join([f"python benchmarks/{script}", *arguments]))]
    for topic in topics:
        if topic.__name__ in options.only:
            sections.append(f"## {topic.__name__.replace('_', ' ').capitalize()}\n\n{topic(options.rounds)}")
    text = "\n\n".join(sections) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text)
