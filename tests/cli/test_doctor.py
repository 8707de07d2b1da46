"""`whet doctor` tells what is there, and never a key."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from whet.cli import main


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
    assert all(e["ready"] is not bool(e["missing"]) for e in found["extras"]) and "dev" not in {e["name"] for e in found["extras"]}


def test_without_a_command_there_is_help() -> None:
    done = subprocess.run([sys.executable, "-m", "whet.cli"], capture_output=True, text=True)
    assert done.returncode == 2 and "doctor" in done.stderr
    done = subprocess.run([sys.executable, "-m", "whet.cli", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("whet 0.")
