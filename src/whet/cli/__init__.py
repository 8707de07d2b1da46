"""The command line: `whet doctor`, and whatever else is in the table of commands."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # nothing heavy is imported before `interruptible` stands around it
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["INTERRUPTED", "interruptible", "main"]

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0 when all is well, 130 after Ctrl-C."""
    return interruptible(lambda: _run(argv))


def interruptible(work: Callable[[], int | None]) -> int:
    """Do the work of a program, imports included, and return its exit status: after Ctrl-C one line, no traceback, and 130.

    One of whet's own errors, such as a full disk, is one line too, and 1: it says what happened and what to do.

    >>> interruptible(lambda: 2)
    2
    """
    try:
        return work() or 0
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        from whet.errors import WhetError  # noqa: PLC0415 - Ctrl-C may come while modules load

        if not isinstance(error, WhetError):
            raise
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _run(argv: Sequence[str] | None) -> int:
    import argparse  # noqa: PLC0415 - Ctrl-C may come while modules load

    from whet import __version__  # noqa: PLC0415 - Ctrl-C may come while modules load
    from whet.cli import doctor, evaluation, prices  # noqa: PLC0415 - Ctrl-C may come while modules load

    parser = argparse.ArgumentParser(prog="whet", description="Program language models instead of prompting them.")
    parser.add_argument("--version", action="version", version=f"whet {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    # A command is a module with `add(subparsers)`, which sets `run`: a function of the parsed arguments that returns the exit status.
    for command in (doctor, evaluation, prices):
        command.add(subparsers)
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "run"):
        parser.print_help(sys.stderr)
        return 2
    return int(arguments.run(arguments))
