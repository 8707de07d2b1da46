"""The journal of a search in its `run_dir`: a header, then one line for each candidate, result, decision and best-so-far."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from whet.core.private import private
from whet.errors import ConfigurationError, StateError
from whet.evaluate.identity import identity
from whet.evaluate.metric import MetricCall
from whet.modules.module import Module
from whet.optimize.budget import Spend
from whet.optimize.candidate import Candidate
from whet.optimize.ledger import CallStore, Lines, private_folder
from whet.optimize.store import Result

__all__ = ["Journal", "fingerprint_of_metric", "fingerprint_of_program", "load_best"]

FORMAT = 2
M = TypeVar("M", bound=Module)
_ELSEWHERE = "Give this run a `run_dir` of its own."
_ADVICE = "Give this run a `run_dir` of its own, or put back what changed to go on with the old one."


class Journal:
    """Writes what happens, and knows what happened before. Without a folder it keeps nothing and touches no disk."""

    def __init__(self, run_dir: Any, header: Mapping[str, Any]) -> None:
        self.folder: Path | None = None if run_dir is None else private_folder(run_dir)
        self.lines = Lines(self.folder / "journal.jsonl") if self.folder is not None else None
        self.calls: CallStore | None = None
        self.rows: list[Mapping[str, Any]] = []
        self._known: set[str] = set()
        self.spent = Spend()
        # Up to which entry of the memory this run may look, as its first session noted.
        self.horizon: int | None = None
        self._lock_file: Any = None
        if self.lines is not None:
            try:
                self._lock_file = _locked(self.lines.path.with_name("lock"))  # before reading: what another run still writes is not missed
                self._read(dict(header))
                self.calls = CallStore(self.lines.path.with_name("calls.jsonl"))
            except BaseException:
                self.close()
                raise

    def _read(self, header: dict[str, Any]) -> None:
        assert self.lines is not None
        old = None
        calls = tokens = reused = 0
        usd: float | None = 0.0
        for line in self.lines.read():
            if "header" in line:
                old = old or (line["header"] if isinstance(line["header"], dict) else None)
                continue
            if "row" in line:
                self.rows.append(line)
            else:
                self._known.add(json.dumps(line, sort_keys=True))
            if self.horizon is None and isinstance(line.get("memory"), int):
                self.horizon = line["memory"]
            if line.get("reused"):  # nobody paid for it in this run
                reused += 1
                continue
            calls, tokens = calls + _amount(line, "calls"), tokens + _amount(line, "tokens")
            cost = None if line.get("cost", 0.0) is None else _amount(line, "cost")
            usd = None if usd is None or cost is None else usd + cost
        self.spent = Spend(calls=calls, tokens=tokens, usd=usd, reused=reused)
        if old is None and (self.rows or self._known or self.lines.damaged):
            raise StateError(f"{str(self.lines.path)!r} is no journal of a run: it has no header. {_ELSEWHERE}")
        if old is None:
            self.lines.append({"header": {"format": FORMAT, **header}})
        else:
            _compare(old, {"format": FORMAT, **header}, self.lines.path)

    def note(self, line: Mapping[str, Any]) -> bool:
        """Write a line, unless it was written before, by an earlier session of this run too; whether it is new."""
        text = json.dumps(line, sort_keys=True)
        if text in self._known:
            return False
        self._known.add(text)
        if self.lines is not None:
            self.lines.append(line)
        return True

    def paid(self, name: str, calls: int, tokens: int, cost: float | None) -> None:
        """Write what a job cost that is no row."""
        if self.lines is not None and calls:
            self.lines.append({"asked": name, "calls": calls, "tokens": tokens, "cost": cost})

    def beaten(self, outcome: Any) -> None:
        """Write what the slower one of two runs of the same row cost."""
        if isinstance(outcome, Result):
            self.paid("beaten", outcome.calls, outcome.tokens, outcome.cost)

    def candidate(self, candidate: Candidate, program: Callable[[], Module]) -> None:
        """Write a candidate with all that is needed to make its program again."""
        if self.lines is not None:
            state = program().dump_state()
            self.note({"candidate": candidate.hash, "parents": list(candidate.parents), "note": candidate.note, "state": state})

    def close(self) -> None:
        """Put everything on the disk and let others use the folder."""
        with ExitStack() as last:
            for part in (self._lock_file, self.lines, self.calls):
                if part is not None:
                    last.callback(part.close)


def _amount(line: Mapping[str, Any], name: str) -> Any:
    """A number in a line; 0 where there is none, or something else."""
    found = line.get(name)
    return found if isinstance(found, int | float) else 0


def _compare(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> None:
    new = json.loads(json.dumps(new))
    drift = []
    for name in sorted({*old, *new}):
        if old.get(name) == new.get(name):
            continue
        if isinstance(old.get(name), Mapping) and isinstance(new.get(name), Mapping):
            before, now = old[name], new[name]
            drift += [f"`{k}` was {before.get(k)!r} and is {now.get(k)!r}." for k in sorted({*before, *now}) if before.get(k) != now.get(k)]
        else:
            drift.append(f"The {name} changed ({old.get(name)!r} before, {new.get(name)!r} now).")
    if drift:
        raise StateError(f"`run_dir` {str(path.parent)!r} holds another run:\n- " + "\n- ".join(drift) + f"\n{_ADVICE}", drift=tuple(drift))


def _locked(path: Path) -> Any:
    """Hold the folder, so that two processes never write one journal. Raises `ConfigurationError` when somebody else does."""
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    file = open(path, "w", encoding="utf-8", opener=private)  # noqa: SIM115 - held until the run ends
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConfigurationError(f"Another run is under way in {str(path.parent)!r}. Wait for it, or use another `run_dir`.") from None
    return file


def fingerprint_of_metric(metric: MetricCall | None) -> str:
    """The metric's name and a hash of its code."""
    return "none" if metric is None else f"{metric.name}#{identity(metric.metric)}"


def fingerprint_of_program(program: Module) -> str:
    """The program's class and a hash of its predictors (fields, types, instructions, demos) and of its code."""
    return f"{type(program).__name__}#{identity(program)}"


def load_best(run_dir: Any, student: M) -> M:
    """The best program that a run has found up to now, also while it is still running or after it was killed.

    `student` is the program that was given to `compile`; it is left as it is. Before the first candidate has been judged, the best is the
    program as given. Raises `StateError` when the folder holds no run.

    >>> import tempfile, whet
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue")]
    >>> folder, program = tempfile.mkdtemp(), whet.Predict("text -> colour")
    >>> _ = whet.LabeledFewShot(k=1, run_dir=folder).compile(program, trainset=rows)
    >>> len(load_best(folder, program).demos)
    1
    """
    folder = Path(run_dir).expanduser()
    states: dict[str, Any] = {}
    best = None
    for line in Lines(folder / "journal.jsonl").read():
        if "candidate" in line:
            states[line["candidate"]] = line["state"]
        elif "best" in line:
            best = line["best"]
    if best is None or best not in states:
        raise StateError(f"{str(folder)!r} holds no journal of a run. Give the `run_dir` of a `compile` that has been started.")
    program = student.deepcopy()
    program.load_state(states[best])
    return program
