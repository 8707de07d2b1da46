"""A local model behind a server of its own: a real process that speaks OpenAI's format; started, asked, killed, and never left behind."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError, LMNotConfiguredError, StateError
from whet.lm.home import home_folder, publish

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a script as a program on PATH")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))
    programs = tmp_path / "bin"
    programs.mkdir()
    stub = Path(__file__).with_name("stub_vllm.py").read_text(encoding="utf-8")
    (programs / "vllm").write_text(f"#!{sys.executable}\n{stub}", encoding="utf-8")
    (programs / "vllm").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))


@pytest.fixture
def name() -> str:
    def fill(folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}", encoding="utf-8")

    return publish("tiny", "transformers", fill)


@pytest.fixture
def lm(name: str) -> Iterator[Any]:
    lm = whet.LM(f"local:{name}", cache=False)
    yield lm
    lm.kill()


def ended(pid: int) -> bool:
    """Whether no process of this number runs any longer (one that nobody has waited for yet does not run)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def wait_until(true: Any) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_it_is_started_asked_and_stopped_with_all_that_it_started(lm: Any, name: str) -> None:
    lm.launch({"args": ["--max-model-len", "512"]})
    server = lm.server
    assert server.running and server.healthy() and server.url.startswith("http://127.0.0.1:")
    assert lm("hello") == ["served: hello at None"]
    warm = lm.copy(temperature=0.5)
    assert warm("hello") == ["served: hello at 0.5"], "copies use the server"
    predict = whet.Predict("question -> answer")
    predict.lm = lm
    with pytest.raises(whet.AdapterParseError):
        predict(question="what?")
    lm.launch()
    assert lm.server is server, "a second launch changes nothing"
    said = server.logs()
    assert f"serving {home_folder('models').resolve() / name} 512" in said and '"temperature": 0.5' in said
    assert server.log.stat().st_mode & 0o077 == 0
    worker = int(re.search(r"worker (\d+)", said)[1])  # type: ignore[index]
    lm.kill()
    assert lm.server is None and not server.running and not server.healthy()
    wait_until(lambda: ended(worker))
    assert server.log.read_text(encoding="utf-8") == said, "logs are kept"
    lm.kill()
    with pytest.raises(LMNotConfiguredError, match=r"has ended.*lm\.launch\(\)"):
        warm("hello")


def test_a_server_that_ends_says_so_and_can_be_started_again(lm: Any) -> None:
    lm.num_retries = 0
    lm.launch()
    with pytest.raises(LMNotConfiguredError, match=r"ended \(code 7\).*out of memory.*\.log"):
        lm("please die")
    lm.kill()
    lm.launch()
    assert lm("hello") == ["served: hello at None"]


@pytest.mark.parametrize(
    ("fault", "why"), [("dies", "ended with code 1.*CUDA is not there"), ("ill", "within 1 s"), ("another", "within 1 s")]
)
def test_one_that_does_not_come_up_is_stopped_and_says_why(lm: Any, monkeypatch: pytest.MonkeyPatch, fault: str, why: str) -> None:
    monkeypatch.setenv("STUB_VLLM", fault)
    with pytest.raises(LMNotConfiguredError, match=why):
        lm.launch({"timeout": 10 if fault == "dies" else 1})
    assert lm.server is None
    (log,) = home_folder("servers").glob("*.log")
    for pid in re.findall(r"worker (\d+)", log.read_text(encoding="utf-8")):
        wait_until(lambda pid=pid: ended(int(pid)))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"server": "tgi"}, ConfigurationError, "there are: vllm, sglang, transformers"),
        ({"server": "sglang"}, LMNotConfiguredError, "`sglang` not found on PATH"),
        ({"sever": "vllm"}, ConfigurationError, "no option `sever`"),
        ({"port": 99_999}, ConfigurationError, "1 to 65535"),
        ({"args": "--x"}, ConfigurationError, "list of texts"),
        ({"timeout": 0}, ConfigurationError, "above 0"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_started(lm: Any, given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lm.launch(given)
    assert not home_folder("servers").exists()


def test_a_damaged_model_is_not_served(lm: Any, name: str) -> None:
    (home_folder("models") / name / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(StateError, match="damaged"):
        lm.launch()


def test_other_models_have_nothing_to_launch() -> None:
    lm = whet.LM("openai/gpt-4o-mini", api_key="k")
    lm.launch()
    lm.kill()
    assert lm.server is None


def test_it_ends_with_the_last_that_holds_it(name: str) -> None:
    lm = whet.LM(f"local:{name}", cache=False)
    lm.launch()
    process, copy = lm.server.process, lm.copy(temperature=1.0)
    del lm
    gc.collect()
    assert process.poll() is None and copy("hi")
    del copy
    gc.collect()
    wait_until(lambda: process.poll() is not None)


@pytest.mark.parametrize("how", ["end", "kill"])
def test_it_ends_with_the_program(name: str, how: str) -> None:
    program = (
        f"import whet, json, time\nlm = whet.LM('local:{name}', cache=False)\nlm.launch()\n"
        "print(json.dumps([lm.server.process.pid, lm.server.logs()]), flush=True)\n" + ("time.sleep(60)" if how == "kill" else "")
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid, said = json.loads(process.stdout.readline())
    if how == "kill":
        process.send_signal(signal.SIGKILL)
    process.wait(20)
    process.stdout.close()
    worker = int(re.search(r"worker (\d+)", said)[1])  # type: ignore[index]
    wait_until(lambda: ended(pid) and ended(worker))


@pytest.mark.train
@pytest.mark.timeout(300)
def test_the_server_of_transformers_answers_for_a_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs `transformers[serving]`."""
    from train.tiny import tiny_checkpoint
    from whet.train.worker import PLAIN_TEMPLATE

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    if shutil.which("transformers") is None:
        pytest.fail("`transformers` is not on PATH: install the extra `train`")
    folder = tiny_checkpoint(tmp_path / "model", ["rose", "red"])
    (folder / "chat_template.jinja").write_text(PLAIN_TEMPLATE, encoding="utf-8")
    lm = whet.LM(f"local:{folder}", cache=False, temperature=0.0, max_tokens=3)
    inside = lm("rose")
    lm.launch({"server": "transformers", "timeout": 200})
    assert lm("rose")[0].strip() == inside[0].strip()
    lm.kill()
