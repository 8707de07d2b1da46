"""Runs mypy and pyright over `user_code.py` and compares what they say with what the file expects.  python tests/golden_types/check.py"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
USER_CODE = HERE / "user_code.py"
EXPECT = re.compile(r"#\s*expect-error:\s*(?P<rules>[\w=\- ]+)")
REVEAL = re.compile(r"#\s*reveals:\s*(?P<type>.+?)\s*$")


@dataclass(slots=True)
class Findings:
    """What a checker said, or what it was expected to say, by line."""

    errors: dict[int, set[str]] = field(default_factory=dict)
    reveals: dict[int, str] = field(default_factory=dict)
    texts: dict[int, list[str]] = field(default_factory=dict)

    def error(self, line: int, rule: str, text: str = "") -> None:
        self.errors.setdefault(line, set()).add(rule)
        self.texts.setdefault(line, []).append(text)


def plain(kind: str) -> str:
    """A type as both checkers could have written it: no module names, no quotes, no blanks that only one prints."""
    kind = re.sub(r"\b(?:[a-z_]\w*\.)+(?=\w)", "", kind.strip().strip('"'))
    kind = re.sub(r"\bNone \| (.+)$", r"\1 | None", kind)
    return kind.replace("?", "").replace("'", '"').replace(" ", "").rstrip("*")


def expected(source: str, checker: str) -> Findings:
    """What the comments of the file ask of one checker."""
    found = Findings()
    comments = [(t.start[0], t.string) for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT]
    for number, line in comments:
        if match := EXPECT.search(line):
            rules = dict(pair.split("=") for pair in match["rules"].split())
            if checker in rules:
                found.error(number, rules[checker])
        if match := REVEAL.search(line):
            found.reveals[number] = plain(match["type"])
    return found


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT, timeout=300)
    if not done.stdout.strip():
        sys.exit(f"{command[0]} could not run: {done.stderr[-2000:]}")
    return done.stdout


def mypy(file: Path) -> Findings:
    """mypy --strict, as `make check` runs it over the package."""
    out = run("mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary", "--output", "json", str(file))
    found = Findings()
    for line in filter(None, out.split("\n")):
        said = json.loads(line)
        if Path(said["file"]).name != file.name:
            sys.exit(f"mypy: {said['file']}:{said['line']}: {said['message']}")
        if said["severity"] == "error":
            found.error(said["line"], said["code"] or "?", said["message"])
        elif match := re.match(r'Revealed type is "(.+)"$', said["message"]):
            found.reveals[said["line"]] = plain(match[1])
    return found


def pyright(file: Path) -> Findings:
    """pyright in strict mode, but for what strictness asks of a demonstration file."""
    settings: dict[str, object] = {
        "extraPaths": [str(ROOT / "src")],
        "typeCheckingMode": "strict",
        "reportUnusedExpression": False,
        "reportUnusedVariable": False,
        "reportUnknownVariableType": False,
        "reportUnknownMemberType": False,
        "reportUnknownArgumentType": False,
        "reportMissingTypeStubs": False,
        "pythonVersion": "3.11",
    }
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "pyrightconfig.json"
        settings["include"] = [os.path.relpath(file, folder)]
        config.write_text(json.dumps(settings), encoding="utf-8")
        out = run("pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(config))
    found = Findings()
    for said in json.loads(out)["generalDiagnostics"]:
        line = said["range"]["start"]["line"] + 1
        if said["severity"] == "error":
            found.error(line, said.get("rule", "?"), said["message"])
        elif match := re.match(r'Type of ".*" is "(.+)"$', said["message"], re.DOTALL):
            found.reveals[line] = plain(match[1])
    return found


def differences(checker: str, want: Findings, got: Findings, name: str) -> list[str]:
    """One sentence for each line on which the checker said something else than expected."""
    said = []
    for line in sorted({*want.errors, *got.errors}):
        missing, extra = (
            want.errors.get(line, set()) - got.errors.get(line, set()),
            got.errors.get(line, set()) - want.errors.get(line, set()),
        )
        if missing:
            said.append(f"{name}:{line}: {checker} should have found {', '.join(sorted(missing))} and did not")
        if extra:
            said.append(f"{name}:{line}: {checker} [{', '.join(sorted(extra))}] {' '.join(got.texts[line])}")
    for line in sorted({*want.reveals, *got.reveals}):
        if want.reveals.get(line) != got.reveals.get(line):
            said.append(f"{name}:{line}: {checker} reveals {got.reveals.get(line)!r}, expected {want.reveals.get(line)!r}")
    return said


def main() -> int:
    """Print the differences; 1 when there are any."""
    files = [Path(name) for name in sys.argv[1:]] or [USER_CODE]
    said = []
    for file in files:
        source = file.read_text(encoding="utf-8")
        for checker, check in (("mypy", mypy), ("pyright", pyright)):
            said += differences(checker, expected(source, checker), check(file.resolve()), file.name)
    print("\n".join(said) if said else "golden types: mypy and pyright see what users should see")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
