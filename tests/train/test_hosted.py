"""Training at a service: checked first, found again after any restart, never paid twice, cancelled where it runs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import whet
from train.stub_service import StubService
from whet.errors import ConfigurationError, LMAuthError, LMNotConfiguredError, LMUnsupportedModelError, TrainingError
from whet.lm.home import home_folder
from whet.train import Job, TrainConfig, as_data, trainer_of

MODELS = {"openai": "openai/gpt-4o-mini", "together": "together_ai/meta/llama", "databricks": "databricks/llama"}
OPTIONS: dict[str, dict[str, Any]] = {
    "openai": {},
    "together": {},
    "databricks": {"job_id": 7, "volume": "/Volumes/main/train/rows", "register_to": "main.train.intents"},
}
PATHS = {
    "openai": ("/files", "/fine_tuning/jobs"),
    "together": ("/files/upload", "/fine-tunes"),
    "databricks": ("/fs/files", "/jobs/run-now"),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


@pytest.fixture
def server() -> Iterator[StubService]:
    with StubService() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(params=list(MODELS))
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def lm_of(server: StubService, service: str = "openai", key: str = "right-key") -> Any:
    base = server.url + ("/serving-endpoints" if service == "databricks" else "/v1")
    return whet.LM(MODELS[service], api_base=base, api_key=key)


def rows(n: int = 12) -> Any:
    return as_data([{"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "a"}]} for i in range(n)])


def train(server: StubService, service: str = "openai", data: Any = None, **more: Any) -> Job:
    lm = lm_of(server, service, more.pop("key", "right-key"))
    options = {"poll_seconds": 0.01, **OPTIONS[service], **more.pop("options", {})}
    return trainer_of(lm).train(data or rows(), TrainConfig(lm=lm, options=options, **more))


def test_a_training_ends_with_an_lm_of_the_same_provider(server: StubService, service: str) -> None:
    job = train(server, service, options={"epochs": 2})
    lm = job.result(20)
    assert lm.model.startswith(MODELS[service].partition("/")[0] + "/") and "whet-" in lm.model
    assert job.status() == "succeeded" and job.events and job.name in server.jobs
    assert len(server.jobs) == len(server.files) == 1
    made = next(iter(server.jobs.values()))
    assert "2" in str(made) and "right-key" not in str(made)
    assert all("right-key" not in path.read_text(encoding="utf-8") for path in home_folder("jobs").glob("*.json"))


def test_asked_again_nothing_is_paid(server: StubService, service: str) -> None:
    first = train(server, service).result(20).model
    asked = len(server.requests)
    assert train(server, service).result(20).model == first
    assert len(server.jobs) == 1 and not any(r.startswith("POST") for r in server.requests[asked:])


@pytest.mark.parametrize("kind", ["cut", "lost", 429, 500])
def test_an_upload_that_breaks_is_made_whole(server: StubService, service: str, kind: Any) -> None:
    server.faults = [("PUT" if service == "databricks" else "POST", PATHS[service][0], kind)]
    train(server, service).result(20)
    assert len(server.files) == 1 and len(server.jobs) == 1 and not server.faults


@pytest.mark.parametrize("kind", ["cut", "lost", 429, 500])
def test_a_job_whose_making_breaks_is_made_once(server: StubService, service: str, kind: Any) -> None:
    server.faults = [("POST", PATHS[service][1], kind)]
    train(server, service).result(20)
    assert len(server.jobs) == 1 and not server.faults


def test_looking_at_a_job_survives_trouble(server: StubService) -> None:
    server.polls = 4
    server.faults = [("GET", "/jobs/ftjob", kind) for kind in (429, "cut", 500, 503)]
    assert train(server).result(20).model and not server.faults


def test_the_job_is_found_again_even_when_all_notes_are_lost(server: StubService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = train(server).result(20).model
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "another"))
    assert train(server).result(20).model == first
    assert len(server.jobs) == len(server.files) == 1


def test_two_at_the_same_time_share_one_job(server: StubService) -> None:
    jobs = [train(server) for _ in range(3)]
    assert len({job.result(20).model for job in jobs}) == 1
    assert len(server.jobs) == len(server.files) == 1


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_a_killed_process_goes_on_where_it_was(server: StubService, tmp_path: Path) -> None:
    server.polls, chance = 15, random.Random(3)
    script = str(Path(__file__).with_name("hosted_run.py"))
    env = {**os.environ, "WHET_HOME": str(tmp_path / "home")}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, script, server.url, "12"], stdout=subprocess.PIPE, text=True, env=env)

    for _ in range(2):
        process, target = start(), len(server.requests) + chance.randint(1, 8)
        while process.poll() is None and len(server.requests) < target:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    out, _ = start().communicate(timeout=60)
    assert out.startswith("openai/tuned-whet-")
    assert len(server.jobs) == 1 and len(server.files) <= 2


def test_a_failed_job_says_why_and_the_next_try_is_a_new_one(server: StubService, service: str) -> None:
    server.ends = "row 3 is too long"
    with pytest.raises(TrainingError, match="row 3 is too long") as caught:
        train(server, service).result(20)
    assert isinstance(caught.value, RuntimeError) and caught.value.job
    server.ends = "ok"
    assert train(server, service).result(20).model
    assert len(server.jobs) == 2 and len(server.files) == 1


def test_cancelling_stops_the_job_at_the_service(server: StubService, service: str) -> None:
    server.polls = 10_000
    job = train(server, service)
    while not job.events:
        time.sleep(0.005)
    assert job.cancel()
    with pytest.raises(TrainingError, match="cancelled"):
        job.result(20)
    assert server.cancelled == [job.name] and job.status() == "cancelled"


@pytest.mark.parametrize(
    ("service", "more", "error", "message"),
    [
        ("openai", {"key": "wrong"}, LMAuthError, "bad key"),
        ("together", {"key": "wrong"}, LMAuthError, "bad key"),
        ("databricks", {"key": "wrong"}, LMAuthError, "bad key"),
        ("openai", {"data": rows(3)}, ConfigurationError, "at least 10 rows"),
        ("openai", {"options": {"epoch": 3}}, ConfigurationError, "no option `epoch`"),
        ("openai", {"method": "grpo"}, ConfigurationError, "cannot do 'grpo'"),
        ("openai", {"method": "dpo"}, ConfigurationError, "learns from preference rows"),
        ("openai", {"max_usd": 1e-7}, ConfigurationError, "above `max_usd"),
        ("together", {"max_usd": 1.0}, ConfigurationError, "no price of training"),
        ("openai", {"options": {"poll_seconds": 0}}, ConfigurationError, "poll_seconds"),
        ("databricks", {"options": {"job_id": 8}}, LMUnsupportedModelError, "no such job"),
        ("databricks", {"options": {"volume": "/tmp"}}, ConfigurationError, "/Volumes/"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_paid(
    server: StubService, service: str, more: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(server, service, **more)
    assert not server.files and not server.jobs


def test_a_model_that_is_not_there_and_a_key_that_is_not_set(server: StubService, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = whet.LM("openai/nothing", api_base=server.url + "/v1", api_key="right-key")
    with pytest.raises(LMUnsupportedModelError):
        trainer_of(lm).train(rows(), TrainConfig(lm=lm))
    lm = whet.LM("openai/gpt-4o-mini", api_base=server.url + "/v1")
    with pytest.raises(LMNotConfiguredError):
        trainer_of(lm).train(rows(), TrainConfig(lm=lm))


def test_preferences_go_in_the_services_form(server: StubService) -> None:
    pairs = as_data([{"prompt": f"q{i}", "chosen": "a", "rejected": "b"} for i in range(10)])
    job = train(server, data=pairs, method="dpo", options={"beta": 0.2})
    assert job.result(20).model
    assert next(iter(server.jobs.values()))["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}


def test_lm_finetune_and_the_estimate(server: StubService) -> None:
    job = lm_of(server).finetune([r.plain() for r in rows()], train_kwargs={"poll_seconds": 0.01, "epochs": 2})
    assert job.result(20).model.startswith("openai/tuned-")
    assert job.preflight.usd == pytest.approx(job.preflight.tokens * 2 * 3.0 / 1e6)


def test_an_optimizer_asks_for_credentials_before_it_runs_the_program(server: StubService) -> None:
    program = whet.Predict("question -> answer")
    program.lm = lm_of(server, key="wrong")
    with pytest.raises(LMAuthError, match="bad key"):
        whet.BootstrapFinetune().compile(program, trainset=[whet.Example(question="q", answer="a").with_inputs("question")])
    assert server.requests == ["GET /v1/models/gpt-4o-mini"]
    program.lm = whet.LM("together_ai/meta/llama", api_base=server.url + "/v1", api_key="right-key")
    with pytest.raises(ConfigurationError, match="no price of training"):
        whet.BootstrapFinetune(max_usd=3).compile(program, trainset=[whet.Example(question="q", answer="a").with_inputs("question")])
    assert not any(request.startswith("POST") for request in server.requests)
