"""The command line: `whet doctor`, and whatever else is in the table of commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from whet import __version__
from whet.cli import doctor, evaluation, prices

__all__ = ["main"]

# A command is a module with `add(subparsers)`, which sets `run`: a function of the parsed arguments that returns the exit status.
_COMMANDS = (doctor, evaluation, prices)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0 when all is well."""
    parser = argparse.ArgumentParser(prog="whet", description="Program language models instead of prompting them.")
    parser.add_argument("--version", action="version", version=f"whet {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in _COMMANDS:
        command.add(subparsers)
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "run"):
        parser.print_help(sys.stderr)
        return 2
    return int(arguments.run(arguments))
