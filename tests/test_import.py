"""`import whet` is light and silent: no socket, no file written, no heavy module, no logging set up, nothing printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"
HEAVY = [
    "pydantic",
    "asyncio",
    "ssl",
    "sqlite3",
    "http",
    "socket",
    "json_repair",
    "pydantic_monty",
    "numpy",
    "typing",
    "inspect",
    "logging",
]

PROBE = """
import json, sys, os
import resource
events = []
def hook(event, args):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.fork", "os.exec", "os.mkdir", "os.rename", "os.remove"):
        events.append(event)
    elif event == "open" and len(args) > 2 and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        events.append(f"{event} {args[0]}")
sys.addaudithook(hook)
before = set(sys.modules)
start = resource.getrusage(resource.RUSAGE_SELF)
import whet
end = resource.getrusage(resource.RUSAGE_SELF)
loaded = sorted(set(sys.modules) - before)
cpu = (end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime) * 1000
found = list(events)
import logging, warnings, threading
root = logging.getLogger()
print(json.dumps({"modules": loaded, "events": found, "cpu_ms": cpu, "threads": threading.active_count(),
                  "handlers": len(root.handlers), "level": root.level, "file": whet.__file__}))
"""


def probe(tmp_path: Path) -> dict[str, Any]:
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "SYSTEMROOT", "LD_LIBRARY_PATH")}
    env |= {"PYTHONPATH": str(SRC), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-S", "-c", PROBE], capture_output=True, text=True, timeout=60, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1, done.stdout
    got: dict[str, Any] = json.loads(done.stdout)
    assert Path(got["file"]).is_relative_to(SRC)
    return got


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return probe(tmp_path_factory.mktemp("import"))


def test_it_opens_no_socket_writes_no_file_and_starts_nothing(seen: dict[str, Any]) -> None:
    assert seen["events"] == []
    assert seen["threads"] == 1


def test_it_leaves_logging_alone(seen: dict[str, Any]) -> None:
    assert (seen["handlers"], seen["level"]) == (0, 30)


def test_it_imports_nothing_heavy(seen: dict[str, Any]) -> None:
    assert [m for m in seen["modules"] if m in HEAVY] == []


def test_it_imports_few_modules(seen: dict[str, Any]) -> None:
    print(f"import whet: {len(seen['modules'])} modules, {seen['cpu_ms']:.1f} ms of CPU")
    assert len(seen["modules"]) <= 15, seen["modules"]


def test_nothing_is_left_on_disk(tmp_path: Path) -> None:
    probe(tmp_path)
    assert list(tmp_path.iterdir()) == []
