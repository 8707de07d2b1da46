"""The README and the pages of docs/ are true: their Python runs, and prints what they say it prints. So do public names."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from types import GenericAlias

import pytest

from snippets import snippets

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SKIPS_ALLOWED = 6
_PARTS = "adapters datasets errors evaluate optimize retrieve sandbox streaming testing train"
PUBLIC = ("whet", *(f"whet.{name}" for name in _PARTS.split()))


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [p for p in PAGES if snippets(p.read_text(encoding="utf-8"))], ids=name)
def test_a_page_is_true(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    command = [sys.executable, "-W", "error", str(ROOT / "tests" / "snippets.py"), str(page)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    wrong = json.loads(done.stdout.strip().split("\n")[-1])
    assert not wrong, "\n".join(wrong)


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    skipped = [(name(p), s.line, s.skipped) for p in PAGES for s in snippets(p.read_text(encoding="utf-8")) if s.skipped is not None]
    assert all(why for _, _, why in skipped), skipped
    assert len(skipped) <= SKIPS_ALLOWED, skipped


def test_links_lead_somewhere() -> None:
    broken = []
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                broken.append(f"{name(page)}: {target}")
    assert not broken, broken


def test_the_readme_begins_with_the_two_commands() -> None:
    first = re.search(r"```\w*\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert first
    assert [line.split("#")[0].strip() for line in first[1].strip().split("\n")] == ["make demo", "make test"]


def test_a_wrong_page_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\nprint(x)\n```\n\n```text\n2\n```\n"  # prints something else
        "```python\nprint(x + 1)\n```\n```text\n...\n```\n"  # fine, and sees the block before
        "<!-- skip-test: needs a key -->\n```python\nraise SystemExit\n```\n"
        "```python\n1 / 0\n```\n",
        encoding="utf-8",
    )
    assert [s.skipped for s in snippets(page.read_text(encoding="utf-8"))] == [None, None, "needs a key", None]
    code = f"import json, pathlib, snippets; print(json.dumps(snippets.run(pathlib.Path({str(page)!r}))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT / "tests")
    wrong = json.loads(done.stdout)
    assert [w.split("\n")[0].split(" ")[0] for w in wrong] == ["page.md:2", "page.md:20"], wrong
    assert "ZeroDivisionError" in wrong[1]


@pytest.mark.parametrize("package", PUBLIC)
def test_a_public_name_shows_how_it_is_used(package: str) -> None:
    """The examples run with all doctests. An error says in a line what happened; a type alias has no words of its own."""
    module = importlib.import_module(package)
    names = {name: getattr(module, name) for name in module.__all__ if name != "__version__"}
    told = {name: value if isinstance(value, type) or inspect.isroutine(value) else type(value) for name, value in names.items()}
    found = [
        name
        for name, value in told.items()
        if value is not GenericAlias and not inspect.ismodule(names[name]) and ">>> " not in (value.__doc__ or "") and not is_error(value)
    ]
    assert not found, f"{package}: give these an example in their docstrings: {', '.join(found)}"


def is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)
