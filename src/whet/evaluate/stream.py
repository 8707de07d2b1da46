"""Rows of an evaluation as lines of JSON, written as they finish: a killed evaluation goes on from there."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, get_args

from whet.core.context import current
from whet.core.private import make_folder, private
from whet.core.records import Example, Prediction, Score
from whet.core.whole import write_whole
from whet.errors import StateError
from whet.evaluate.identity import hashed, identity
from whet.evaluate.metric import MetricCall, SeveralMetrics
from whet.evaluate.row import EvaluationResult, Row, SavedError, Status
from whet.evaluate.table import json_text, plain_value

__all__ = ["RowFile", "header_of", "key_of", "load_run", "write_run"]

FORMAT, VERSION = "whet-evaluation", 1
# Rows that are finished for good; a time limit or a failure of the network may not happen again.
_FINISHED = frozenset({"ok", "program_error"})
_NUMBER = int | float
_FIELDS = {
    "key": str, "index": int, "repeat": int, "status": str, "score": _NUMBER | None, "example": dict, "prediction": dict,
    "seconds": _NUMBER, "tokens": int, "cost": _NUMBER | None, "calls": int, "cache_hits": int,
}  # fmt: skip
_OPTIONAL = {"feedback": str, "parts": dict, "error": str}


class RowFile:
    """The file that one evaluation writes its rows to. `known` are the rows that an earlier, interrupted run left there.

    Raises `StateError` when the file is of another program or metric (its rows would say nothing about this one), is no file of rows, or
    is being written to by somebody else.
    """

    def __init__(self, path: Any, header: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.header = {"format": FORMAT, "version": VERSION, **header}
        self.known: dict[tuple[int, int], dict[str, Any]] = {}
        make_folder(self.path.parent)
        # Open until the evaluation ends, and not buffered: what a full disk did not take would be written, and fail, again at the end.
        self._file: IO[bytes] = open(self.path, "ab", buffering=0, opener=private)  # noqa: SIM115 - as it says above
        try:
            _hold(self._file, self.path)
            if self._read() == 0:
                self._write(self.header)
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> int:
        lines, end = _whole_lines(self.path)
        self._check(lines)
        if len(lines) == 1:  # no row yet: nothing in it is of another evaluation
            end = 0
        if end < self.path.stat().st_size:  # the line that was being written when the run was killed
            os.truncate(self.path, end)
        for number, line in enumerate(lines[1:], 2):
            row = _saved_row(line, number, self.path)
            if row["status"] in _FINISHED:
                self.known[(row["index"], row["repeat"])] = row
        return end

    def _check(self, lines: list[str]) -> None:
        """Raise `StateError` for a file that is not of this evaluation, before anything in it is touched."""
        first = lines[0] if lines else ""
        begun = json_text(self.header).encode()
        if not first and begun.startswith(self.path.read_bytes()[: len(begun)]):
            return  # empty, or killed while the first line was being written
        found = _object(first, self.path) if first else {}
        if found.get("format") != FORMAT:
            raise StateError(f"{str(self.path)!r} holds something else than an evaluation, and is left as it is. Give another file.")
        different = [name for name in self.header if found.get(name) != self.header[name]]
        if different and len(lines) > 1:
            raise StateError(
                f"{str(self.path)!r} holds rows of another evaluation: its {' and '.join(different)} differ. "
                "Give another file, or delete this one."
            )

    def check(self, devset: Iterable[Any]) -> None:
        """Raise `StateError` when the file has rows of other examples than these, before any of the missing ones is paid for."""
        keys: dict[int, set[str]] = {}
        for (index, _), saved in self.known.items():
            keys.setdefault(index, set()).add(saved["key"])
        for index, example in enumerate(devset):
            if index in keys and keys[index] != {key_of(example)}:
                raise StateError(
                    f"{str(self.path)!r} holds rows of another devset: example {index} differs. Give another file, or delete this one."
                )

    def row(self, index: int, example: Any, repeat: int) -> Row | None:
        """The finished row of this example, if the file has it."""
        saved = self.known.get((index, repeat))
        return None if saved is None else _row_of(saved, index, example)

    def add(self, row: Row) -> None:
        """Write one row, and make sure that it is there."""
        self._write(_line_of(row))

    def _write(self, value: Mapping[str, Any]) -> None:
        rest = (json_text(value) + "\n").encode()
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            error.filename = str(self.path)  # a full disk does not say of itself which file it was
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def key_of(example: Any) -> str:
    """What tells an example from others: a hash of all its fields."""
    return hashed(plain_value(dict(example)))


def header_of(program: Any, metric: MetricCall, repeats: int) -> dict[str, Any]:
    """What must be the same for rows of two sessions to belong together: program, metric, model, number of repeats."""
    model = getattr(current().lm, "model", None)
    single = metric.calls.values() if isinstance(metric, SeveralMetrics) else (metric,)
    judged = hashed([identity(one.metric) for one in single])
    return {"program": identity(program), "metric": f"{metric.name} {judged}", "column": metric.column, "model": model, "repeats": repeats}


def write_run(result: EvaluationResult, path: Any) -> None:
    """Write a finished evaluation as lines of JSON."""
    lines = [{"format": FORMAT, "version": VERSION, "column": result.metric}, *(_line_of(row) for row in result.rows)]
    write_whole(Path(path), "".join(json_text(line) + "\n" for line in lines))


def load_run(path: Any) -> EvaluationResult:
    """Read back what `save_jsonl` or `Evaluate(stream_to=...)` wrote, also before it was done; errors come back as their texts.

    Raises `StateError` for a file that holds no evaluation.

    >>> import tempfile, whet
    >>> path = tempfile.mkdtemp() + "/run.jsonl"
    >>> rows = [whet.Example(question="2+2?", answer="4").with_inputs("question")]
    >>> evaluate = whet.Evaluate(devset=rows, metric=whet.evaluate.answer_exact_match, stream_to=path)
    >>> _ = evaluate(lambda question: whet.Prediction(answer="4"))
    >>> load_run(path).score
    100.0
    """
    source = Path(path)
    lines, _ = _whole_lines(source)
    header = _object(lines[0], source) if lines and lines[0].startswith("{") else {}
    if header.get("format") != FORMAT:
        raise StateError(
            f"{str(source)!r} holds no evaluation: its first line does not say `{FORMAT}`. Give a file that `stream_to=`, `save_jsonl` or "
            "`whet eval --save` wrote."
        )
    if header.get("version") != VERSION:
        raise StateError(f"{str(source)!r} is of version {header.get('version')!r} of this format; this whet reads version {VERSION}.")
    saved = [_saved_row(line, number, source) for number, line in enumerate(lines[1:], 2)]
    newest = {(row["index"], row["repeat"]): row for row in saved}
    rows = [_row_of(newest[place], place[0], Example(newest[place]["example"])) for place in sorted(newest)]
    return EvaluationResult(rows, metric=str(header.get("column", "score")))


def _whole_lines(path: Path) -> tuple[list[str], int]:
    """The lines of a file that are written to their end, and where the last of them ends."""
    raw = path.read_bytes()
    end = raw.rfind(b"\n") + 1
    try:
        text = raw[:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise StateError(f"{str(path)!r} holds no evaluation: it is no text in UTF-8 ({error.reason} at byte {error.start}).") from error
    # Not `splitlines`: answers hold signs that it takes for the end of a line, and JSON does not.
    return text.split("\n")[:-1], end


def _hold(file: IO[bytes], path: Path) -> None:
    """Keep others from writing to the file: two that take up the same run would do all of it twice, and cut each other's lines."""
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StateError(f"Another evaluation is writing to {str(path)!r}. Wait for it, or give another file.") from None
    except OSError:  # a file system without locks
        return


def _object(line: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StateError(f"{str(path)!r} has a line that is no JSON: {line[:80]!r}.") from error
    return value if isinstance(value, dict) else {}


def _saved_row(line: str, number: int, path: Path) -> dict[str, Any]:
    """A line as a row, looked at before anything is made of it: files are edited, merged and cut."""
    row = _object(line, path)
    fields = {**_FIELDS, **{name: kind for name, kind in _OPTIONAL.items() if name in row}}
    wrong = {name: row.get(name) for name, kind in fields.items() if name not in row or not _is_written(row[name], kind)}
    if not wrong and "parts" in row:
        wrong = {f"part {name}": part for name, part in row["parts"].items() if not _is_written(part, _NUMBER)}
    for name, value in wrong.items():
        raise StateError(f"Line {number} of {str(path)!r} is no row of an evaluation: its `{name}` is {value!r:.80}.")
    if row["status"] not in get_args(Status):
        raise StateError(f"Line {number} of {str(path)!r} has the status {row['status']!r}; there are: {', '.join(get_args(Status))}.")
    return row


def _is_written(value: Any, kind: Any) -> bool:
    """Whether an evaluation writes such values: no number without end, and none that no float can hold."""
    try:
        return isinstance(value, kind) and not (isinstance(value, _NUMBER) and not math.isfinite(value))
    except OverflowError:
        return False


def _line_of(row: Row) -> dict[str, Any]:
    prediction = row.prediction
    line: dict[str, Any] = {
        "key": key_of(row.example),
        "index": row.index,
        "repeat": row.repeat,
        "status": row.status,
        "score": row.score.value if row.score is not None else None,
        "example": plain_value(dict(row.example)),
        "prediction": plain_value(dict(prediction) if isinstance(prediction, Mapping) else {"prediction": prediction}),
        "seconds": round(row.seconds, 6),
        "tokens": row.tokens,
        "cost": row.cost,
        "calls": row.calls,
        "cache_hits": row.cache_hits,
    }
    if row.score is not None and (row.score.feedback or row.score.parts):
        line |= {"feedback": row.score.feedback, "parts": dict(row.score.parts)}
    if row.error is not None:
        line["error"] = row.reason
    return line


def _row_of(saved: Mapping[str, Any], index: int, example: Any) -> Row:
    value = saved["score"]
    return Row(
        index=index,
        example=example,
        prediction=Prediction(saved["prediction"]),
        score=None if value is None else Score(value=value, feedback=saved.get("feedback", ""), parts=saved.get("parts", {})),
        status=saved["status"],
        seconds=saved["seconds"],
        tokens=saved["tokens"],
        cost=saved["cost"],
        calls=saved["calls"],
        cache_hits=saved["cache_hits"],
        error=SavedError(saved["error"]) if "error" in saved else None,
        repeat=saved["repeat"],
    )
