"""Nothing is lost: a run that is killed at any moment goes on where it was, ends with the same program, and pays for no call twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import whet
from optimize import doubling, instructed, ruled
from optimize.doubling import exact, model, rows
from optimize.killed_run import RECIPES
from whet.errors import ConfigurationError, StateError

THREADS = 6


def as_request(body: Any) -> Any:
    """A body as the scripted models read requests; whatever is random about it comes from its content."""
    return SimpleNamespace(messages=[SimpleNamespace(text=m["content"]) for m in body["messages"]], rollout_id=len(str(body)))


WORLDS: dict[str, Any] = {
    "doubling": lambda body, number: doubling.answer(as_request(body)),
    "ruled": lambda body, number: ruled.answer(as_request(body)),
    "instructed": lambda body, number: instructed.world(as_request(body), number),
}


def in_sections(fields: Any) -> str:
    """An answer as the chat format wants it."""
    return "".join(f"[[ ## {name} ## ]]\n{value if isinstance(value, str) else json.dumps(value)}\n\n" for name, value in fields.items())


class CountingServer(ThreadingHTTPServer):
    """Answers the tasks of these tests, slowly, and counts every body that it is sent."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: Counter[str] = Counter()
        self.seconds = 0.004
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A killed client is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies[json.dumps(body, sort_keys=True)] += 1
        time.sleep(self.server.seconds)
        task = self.path.split("/")[1]
        texts = [in_sections(WORLDS[task](body, number)) for number in range(body.get("n", 1))]
        usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
        choices = [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"} for text in texts]
        reply = {"model": "counted", "choices": choices, "usage": usage}
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quietly."""


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def start(server: CountingServer, run_dir: Path, name: str) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("killed_run.py")
    source = Path(whet.__file__).parents[1]
    command = [sys.executable, str(script), server.url, str(run_dir), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(source), "PATH": "", "HOME": str(run_dir)})


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])  # type: ignore[no-any-return]


def kill_and_resume(server: CountingServer, tmp_path: Path, name: str, kills: int, seed: int) -> None:
    whole = finish(start(server, tmp_path / "whole", name))
    paid_whole, repeated = server.bodies.total(), server.bodies.total() - len(server.bodies)
    plain = sum(n - 1 for body, n in server.bodies.items() if '"temperature"' not in body)  # samples may be asked for with the same words
    assert plain <= 0.02 * paid_whole
    server.bodies.clear()
    rng, folder, killed = random.Random(seed), tmp_path / "killed", 0
    while killed < kills:
        process = start(server, folder, name)
        seen = server.bodies.total()
        target = seen + rng.randint(1, max(2, 2 * paid_whole // kills))
        while process.poll() is None and server.bodies.total() < target:
            time.sleep(0.001)
        if process.poll() is not None:
            process.communicate()
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += 1
    again = finish(start(server, folder, name))
    assert killed >= kills // 2
    assert again["state"] == whole["state"]
    assert again["decisions"] == whole["decisions"]
    twice = server.bodies.total() - len(server.bodies)
    assert twice <= killed * THREADS + repeated
    assert len(server.bodies) == paid_whole - repeated


@pytest.mark.parametrize(("name", "kills"), [("BootstrapRS", 4), ("GEPA", 3)])
def test_a_killed_search_goes_on_as_if_nothing_had_happened(server: CountingServer, tmp_path: Path, name: str, kills: int) -> None:
    kill_and_resume(server, tmp_path, name, kills=kills, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_twenty_kills(server: CountingServer, tmp_path: Path, name: str) -> None:
    kill_and_resume(server, tmp_path, name, kills=20, seed=2)


def compiled(run_dir: Any, lm: Any, **options: Any) -> Any:
    recipe = whet.BootstrapRS(metric=exact, num_threads=4, num_candidate_programs=3, run_dir=run_dir, **options)
    with whet.context(lm=lm):
        return recipe.compile(whet.Predict("question -> answer"), trainset=rows(20), valset=rows(20, start=50))


def test_a_finished_run_is_free_the_second_time(tmp_path: Path) -> None:
    first, second = model(), model()
    one, two = compiled(tmp_path, first), compiled(tmp_path, second, max_seconds=1000)
    assert second.calls == 0 < first.calls
    assert one.demos == two.demos
    assert two.run.spend.calls == first.calls
    assert [e["subscores"] for e in one.candidate_programs] == [e["subscores"] for e in two.candidate_programs]


def test_a_changed_run_is_refused_and_says_what_changed(tmp_path: Path) -> None:
    lm = model()
    compiled(tmp_path, lm)
    calls = lm.calls
    with pytest.raises(StateError, match="`max_labeled_demos` was 16 and is 3"):
        compiled(tmp_path, lm, max_labeled_demos=3)
    with whet.context(lm=lm), pytest.raises(StateError, match="trainset changed"):
        whet.BootstrapRS(metric=exact, num_threads=4, num_candidate_programs=3, run_dir=tmp_path).compile(
            whet.Predict("question -> answer"), trainset=rows(21), valset=rows(20, start=50)
        )
    assert lm.calls == calls


class Doubler(whet.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = whet.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        return self.answer(question=question)


def test_a_program_whose_code_was_edited_is_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled_doubler(lm: Any) -> Any:
        recipe = whet.BootstrapRS(metric=exact, num_threads=4, num_candidate_programs=2, run_dir=tmp_path)
        with whet.context(lm=lm):
            return recipe.compile(Doubler(), trainset=rows(12))

    def edited(self: Any, question: str) -> Any:
        return self.answer(question=question.upper())

    compiled_doubler(model())
    again = model()
    compiled_doubler(again)
    assert again.calls == 0
    monkeypatch.setattr(Doubler, "forward", edited)
    with pytest.raises(StateError, match="The program changed"):
        compiled_doubler(again)


DAMAGE = {
    "journal.jsonl": [
        b"17\n",
        b"null\n",
        b'"x"\n',
        b"[1]\n",
        b"\xff\x00\n",
        b'{"row": 5}\n',
        b'{"row": "a:b"}\n',
        b'{"asked": "x", "calls": "y"}\n',
    ],
    "calls.jsonl": [b"[]\n", b'{"k": "zz", "t": 1}\n', b'{"k": 5}\n', b'{"k": "00", "t": null}\n'],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_lines_are_left_out_and_the_run_goes_on(tmp_path: Path, name: str) -> None:
    one = compiled(tmp_path, model())
    path = tmp_path / name
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, *DAMAGE[name], *rest]))
    again = model()
    assert compiled(tmp_path, again).demos == one.demos and again.calls == 0


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "journal.jsonl"
    other.write_text("Monday\nTuesday\n", encoding="utf-8")
    lm = model()
    with pytest.raises(StateError, match="is no journal of a run: it has no header"):
        compiled(tmp_path, lm)
    assert lm.calls == 0 and other.read_text(encoding="utf-8") == "Monday\nTuesday\n"


@pytest.mark.parametrize("folder", ["", 7, "a\0b"])
def test_a_run_dir_that_is_none_is_refused_before_anything_is_written(folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lm = model()
    with pytest.raises(ConfigurationError, match="`run_dir`"):
        compiled(folder, lm)
    assert lm.calls == 0 and list(tmp_path.iterdir()) == []


def test_a_journal_that_is_a_folder_is_said_to_be_unreadable(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        compiled(tmp_path, model())


def test_a_second_run_waits_outside_before_it_reads_or_writes_the_journal(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match="under way"):
            compiled(tmp_path, model())
        assert [p.name for p in tmp_path.iterdir()] == ["lock"]


def test_only_plain_json_lies_in_a_run_dir_and_only_for_me(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    compiled(folder, model())
    assert folder.stat().st_mode & 0o777 == 0o700
    files = {p.name for p in folder.iterdir()}
    assert files == {"journal.jsonl", "calls.jsonl", "lock"}
    for name in ("journal.jsonl", "calls.jsonl"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
        assert all(isinstance(json.loads(line), dict) for line in (folder / name).read_text(encoding="utf-8").splitlines())


def test_without_a_run_dir_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    compiled(None, model())
    assert list(tmp_path.iterdir()) == []


def test_a_torn_line_is_dropped_and_the_run_goes_on(tmp_path: Path) -> None:
    one = compiled(tmp_path, model())
    for name in ("journal.jsonl", "calls.jsonl"):
        path = tmp_path / name
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 2 // 3])
    lm = model()
    two = compiled(tmp_path, lm)
    assert two.demos == one.demos and lm.calls > 0
    assert all(line.startswith("{") for line in (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines())


def test_the_best_so_far_can_be_loaded_while_the_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="holds no journal"):
        whet.load_best(tmp_path, whet.Predict("question -> answer"))
    lm, found = model(0.001), []
    student = whet.Predict("question -> answer")

    def watching(example: Any, prediction: Any, trace: Any = None) -> bool:
        if lm.calls > 250 and not found:
            found.append(whet.load_best(tmp_path, student))
        return exact(example, prediction)

    with whet.context(lm=lm):
        whet.BootstrapRS(metric=watching, num_threads=1, run_dir=tmp_path).compile(student, trainset=rows(30), valset=rows(40, start=50))
    assert found[0].demos and student.demos == []


def test_two_runs_never_share_a_journal(tmp_path: Path) -> None:
    student, trouble = whet.Predict("question -> answer"), []

    def nosy(example: Any, prediction: Any, trace: Any = None) -> bool:
        if trace is not None and not trouble:
            trouble.append("tried")
            with pytest.raises(ConfigurationError, match="under way"):
                compiled_again()
            trouble.append("refused")
        return exact(example, prediction)

    def compiled_again() -> None:
        whet.BootstrapFewShot(metric=nosy, run_dir=tmp_path).compile(student, trainset=rows(9))

    with whet.context(lm=model()):
        compiled_again()
    assert trouble == ["tried", "refused"]


def test_keys_never_reach_the_journal(tmp_path: Path) -> None:
    lm = model()
    lm.kwargs["api_key"] = "sk-secret"
    compiled(tmp_path, lm, teacher_settings={"lm": lm})
    for path in tmp_path.iterdir():
        assert "sk-secret" not in path.read_text(encoding="utf-8")
