"""`whet doctor` tells what is there, and never a key."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from whet.cli import main
from whet.core.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[2]


def test_the_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "monty" in text and "ok embedded" in text and "key in OPENAI_API_KEY" in text and "secret" not in text
    assert "anthropic" not in text and "more providers" in text
    main(["doctor", "--all"])
    assert re.search(r"-- anthropic +set ANTHROPIC_API_KEY", capsys.readouterr().out)


def test_the_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {s["name"] for s in found["sandboxes"]} == {"monty", "bubblewrap"} and found["sandboxes"][0]["ready"]
    assert {"name": "mcp", "ready": True}.items() <= next(e for e in found["extras"] if e["name"] == "mcp").items()


def test_the_table_of_extras_is_that_of_the_package() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    told = {name: tuple(re.split(r"[\[<>=]", r)[0] for r in group) for name, group in groups.items() if name != "dev"}
    assert dict(EXTRAS) == told


def test_without_a_command_there_is_help() -> None:
    done = subprocess.run([sys.executable, "-m", "whet.cli"], capture_output=True, text=True)
    assert done.returncode == 2 and "doctor" in done.stderr
    done = subprocess.run([sys.executable, "-m", "whet.cli", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("whet 0.")
