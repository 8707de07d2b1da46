"""Runs the Python blocks of a Markdown file in order, in one namespace, and compares what they print.

    python tests/snippets.py FILE      prints one JSON list of what went wrong

A block under a line `<!-- skip-test: reason -->` is only compiled. A ```text block right after a Python block is what that
block must have printed; `...` in it stands for anything.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import linecache
import re
import sys
import traceback
import types
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)```[ \t]*$", re.MULTILINE | re.DOTALL)
_SKIP = re.compile(r"<!--\s*skip-test:\s*(?P<why>[^>]*?)\s*-->\s*\Z")
_CHECK = doctest.OutputChecker()
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """One Python block: its code, the line it starts on, what it must print, and why it is not run."""

    code: str
    line: int
    output: str | None = None
    skipped: str | None = None


def snippets(text: str) -> list[Snippet]:
    """The Python blocks of a Markdown text."""
    blocks = list(_FENCE.finditer(text))
    found = []
    for block, following in zip(blocks, [*blocks[1:], None][: len(blocks)], strict=True):
        if block["kind"] not in ("python", "py"):
            continue
        after = following is not None and following["kind"] == "text" and not text[block.end() : following.start()].strip()
        skip = _SKIP.search(text[: block.start()])
        indent = len(block["indent"])
        code = "".join(line[indent:] if line.strip() else line for line in block["body"].splitlines(keepends=True))
        line = text.count("\n", 0, block.start()) + 2
        output = following["body"] if after and following else None
        found.append(Snippet(code=code, line=line, output=output, skipped=skip["why"] if skip else None))
    return found


def run(path: Path) -> list[str]:
    """What went wrong, one text for each block."""
    module = types.ModuleType("snippets_of_" + re.sub(r"\W", "_", path.stem))
    sys.modules[module.__name__] = module
    wrong = []
    for s in snippets(path.read_text(encoding="utf-8")):
        where = f"{path.name}:{s.line}"
        linecache.cache[where] = (len(s.code), None, s.code.splitlines(keepends=True), where)
        out = io.StringIO()
        try:
            code = compile(s.code, where, "exec")
            if s.skipped is not None:
                continue
            with contextlib.redirect_stdout(out):
                exec(code, module.__dict__)
        except BaseException:  # noqa: BLE001 - whatever a snippet raises is what is reported
            wrong.append(f"{where}\n{traceback.format_exc()}")
            continue
        if s.output is not None and not _CHECK.check_output(s.output, out.getvalue(), _FLAGS):
            wrong.append(f"{where} prints\n{out.getvalue()}but the page says\n{s.output}")
    return wrong


def prepare() -> None:
    """Every page starts with the embedded model, so that what it shows needs no key."""
    import whet

    if "LM" in dir(whet):
        whet.configure(lm=whet.LM("embedded"))


if __name__ == "__main__":
    prepare()
    print(json.dumps(run(Path(sys.argv[1]))))
