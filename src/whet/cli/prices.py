"""`whet prices`: fetch newer prices of models, and keep them for later calls."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from whet.core.wording import counted
from whet.lm.prices import PACKAGE, SOURCE, refresh_prices

__all__ = ["add"]


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("prices", help="fetch newer prices of models", description="Fetch newer prices of models.")
    described = f"a URL or a file in the form of genai-prices, or `{PACKAGE}` for the installed package (default: %(default)s)"
    parser.add_argument("source", nargs="?", default=SOURCE, help=described)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    try:
        path, count = refresh_prices(arguments.source)
    except OSError as error:
        print(f"whet prices: {error}", file=sys.stderr)
        return 2
    print(f"{counted(count, 'model')} priced in {path}")
    return 0
