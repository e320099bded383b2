"""The command line: parses and prints, everything else is `efficient_nas.recipes`."""

from efficient_nas.cli.main import main as main
