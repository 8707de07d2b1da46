"""`whet eval FILE`: run an evaluation that a file describes, and hold it to a bar; `whet diff A B`: two runs, row by row."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import traceback
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from whet.cli import INTERRUPTED
from whet.core.whole import can_be_written
from whet.core.wording import a_kind
from whet.errors import ConfigurationError, WhetError
from whet.evaluate import Evaluate, EvaluationResult, check, diff, load_run
from whet.evaluate.gate import Gate, check_bar, write_junit
from whet.evaluate.row import check_field
from whet.evaluate.stream import key_of
from whet.evaluate.table import shown
from whet.modules.module import Module

__all__ = ["add"]

PASSED, FAILED, BROKEN = 0, 1, 2
_SHOWN = 3  # rows that failed


def add(subparsers: Any) -> None:
    """Add the commands to the command line."""
    parser = subparsers.add_parser("eval", help="run an evaluation; with --check, fail when it is not good enough")
    parser.add_argument("file", help="a Python file with `program` and `evaluate` (or `devset` and `metric`)")
    parser.add_argument("--state", help="a saved program (.json) to load into `program` first")
    parser.add_argument("--save", metavar="FILE", help="write the rows as they finish (.jsonl); goes on where a killed run ended")
    parser.add_argument("--csv", metavar="FILE", help="write the rows as CSV")
    parser.add_argument("--html", metavar="FILE", help="write the rows as one page")
    parser.add_argument("--by", metavar="FIELD", help="also the mean of each slice by this field of the examples")
    parser.add_argument("--repeats", type=int, help="run each example so often")
    parser.add_argument("--threads", type=int, help="examples side by side")
    gate = parser.add_argument_group("the gate")
    gate.add_argument("--check", action="store_true", help="exit with 1 when the evaluation is not good enough")
    gate.add_argument("--min-score", type=float, metavar="X", help="the least mean, from 0 to 1")
    gate.add_argument("--baseline", metavar="FILE", help="an earlier run (.jsonl) that this one may not be worse than")
    gate.add_argument("--tolerance", type=float, default=0.0, metavar="X", help="how much lower the mean may be than the baseline's")
    gate.add_argument("--max-failures", type=int, metavar="N", help="how many rows may fail")
    gate.add_argument("--junit", metavar="FILE", help="write the outcome as JUnit XML")
    parser.set_defaults(run=_eval)
    parser = subparsers.add_parser("diff", help="what changed between two runs, row by row")
    parser.add_argument("before", help="a run (.jsonl)")
    parser.add_argument("after", help="another run of the same examples (.jsonl)")
    parser.set_defaults(run=_diff)


def _eval(arguments: argparse.Namespace) -> int:
    try:
        bar = _bar(arguments)
        result = _evaluated(arguments, bar["baseline"])
        gate = check(result, **bar)
        slices = result.slices(arguments.by) if arguments.by else {}
        # First, since a file that cannot be written may not take the outcome with it.
        print(gate if arguments.check else result.summary())
        for row in result.errors[:_SHOWN]:
            print(f"  {row.status} in example {row.index}: {shown(row.reason or '')}")
        if more := len(result.errors[_SHOWN:]):
            print(f"  ... and {more} more")
        for label, estimate in slices.items():
            print(f"  {arguments.by}={shown(str(label))}: {estimate}")
        if not _written(arguments, result, gate):
            return BROKEN
    except (WhetError, OSError) as error:
        print(f"whet eval: {error}", file=sys.stderr)
        return BROKEN
    except KeyboardInterrupt:
        kept = f"finished rows are in {arguments.save!r}, and the same command goes on from there" if arguments.save else "no row was kept"
        print(f"whet eval: interrupted; {kept}.", file=sys.stderr)
        return INTERRUPTED
    except Exception:  # noqa: BLE001 - an exit status of 1 would say that the program is not good enough
        traceback.print_exc()
        return BROKEN
    return FAILED if arguments.check and not gate.passed else PASSED


def _written(arguments: argparse.Namespace, result: EvaluationResult, gate: Gate) -> bool:
    """Write the files that were asked for; one that cannot be written keeps none of the others back."""
    writers: dict[str, Callable[[str], None]] = {
        "csv": result.save_csv,
        "html": lambda path: result.save_html(path, by=arguments.by),
        "junit": lambda path: write_junit(gate, path, name=os.path.basename(arguments.file)),
    }
    failed = False
    for name, write in writers.items():
        try:
            if path := getattr(arguments, name):
                write(path)
        except OSError as error:
            failed = True
            print(f"whet eval: --{name} could not be written: {error}", file=sys.stderr)
    return not failed


def _bar(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the gate asks for, looked at before anything is paid for."""
    baseline = load_run(arguments.baseline) if arguments.baseline else None
    bar = {"baseline": baseline, "tolerance": arguments.tolerance, "min_score": arguments.min_score, "max_failures": arguments.max_failures}
    if arguments.check and all(bar[name] is None for name in ("baseline", "min_score", "max_failures")):
        raise ConfigurationError("`--check` holds the evaluation against nothing: give --min-score, --baseline or --max-failures.")
    check_bar(tolerance=arguments.tolerance, min_score=arguments.min_score, max_failures=arguments.max_failures)
    for name in ("csv", "html", "junit"):
        if path := getattr(arguments, name):
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            if not can_be_written(Path(path)):
                raise ConfigurationError(f"`--{name}` is {path!r}, which cannot be written to. Give another file.")
    return bar


def _evaluated(arguments: argparse.Namespace, baseline: EvaluationResult | None) -> EvaluationResult:
    names = _described(arguments.file)
    program = names["program"]
    evaluate = names["evaluate"] if "evaluate" in names else Evaluate(devset=names["devset"], metric=names["metric"])
    if not isinstance(evaluate, Evaluate):
        raise ConfigurationError(f"`evaluate` in {arguments.file!r} is {a_kind(evaluate)}; it has to be a `whet.Evaluate`.")
    if arguments.by:
        check_field(dict(enumerate(evaluate.devset)), arguments.by)
    if baseline is not None and {key_of(row.example) for row in baseline.rows}.isdisjoint(map(key_of, evaluate.devset)):
        raise ConfigurationError(f"{arguments.baseline!r} holds no example of this devset, so there is nothing to compare.")
    if arguments.state:
        if not isinstance(program, Module):
            raise ConfigurationError(f"`--state` loads a saved program into a `whet.Module`; `program` is {a_kind(program)}.")
        program.load(arguments.state)
    options = {"stream_to": arguments.save, "repeats": arguments.repeats, "num_threads": arguments.threads}
    return evaluate(program, **{name: value for name, value in options.items() if value is not None})


def _described(file: str) -> dict[str, Any]:
    if not Path(file).is_file():
        what = "is a folder" if Path(file).is_dir() else "is not there"
        near = get_close_matches(Path(file).name, sorted(one.name for one in Path(file).parent.glob("*.py")), n=1)
        hint = f" Did you mean {str(Path(file).with_name(near[0]))!r}?" if near else ""
        raise ConfigurationError(f"{file!r} {what}; name the Python file with the `program`.{hint}")
    sys.path.insert(0, os.path.dirname(os.path.abspath(file)))
    try:
        names = runpy.run_path(file, run_name="whet_eval")
    except OSError:
        raise
    except (Exception, SystemExit) as error:  # an exit status of 1 would say that the program is not good enough
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if isinstance(error, SyntaxError) else f" (line {last.lineno} of {os.path.basename(last.filename)})"
        raise ConfigurationError(f"{file!r} cannot be run: {type(error).__name__}: {error}{where}.") from error
    missing = [name for name in ("program",) if name not in names]
    if "evaluate" not in names:
        missing += [name for name in ("devset", "metric") if name not in names]
    if missing:
        raise ConfigurationError(
            f"{file!r} does not define {', '.join(f'`{name}`' for name in missing)}. It needs `program`, and a `whet.Evaluate` called "
            "`evaluate`, or `devset` and `metric`."
        )
    return names


def _diff(arguments: argparse.Namespace) -> int:
    try:
        print(diff(load_run(arguments.before), load_run(arguments.after)))
    except (WhetError, OSError) as error:
        print(f"whet diff: {error}", file=sys.stderr)
        return BROKEN
    return PASSED
