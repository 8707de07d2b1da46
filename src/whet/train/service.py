"""The fine-tuning APIs of OpenAI and Together, as the five calls that a training needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from whet.train.client import Client, multipart
from whet.train.data import TrainData
from whet.train.trainer import TrainConfig, check_options

__all__ = ["OpenAIService", "Service", "State", "TogetherService"]

_PAGES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a job at a service stands: `running`, `succeeded`, `failed` or `cancelled`; the model's name, or why it failed."""

    status: str
    model: str | None = None
    reason: str = ""


class Service(Protocol):
    """What a training needs of a service. Every search is by `key`, the name that whet gave to file and job."""

    name: str
    methods: tuple[str, ...]
    least_rows: int

    def check(self, client: Client, config: TrainConfig) -> None:
        """Raise `ConfigurationError` or an `LMError` for what would fail later: options, credentials, the model."""

    def upload(self, client: Client, key: str, data: TrainData) -> str:
        """Upload the rows; the file's name at the service."""

    def uploaded(self, client: Client, key: str, data: TrainData) -> str | None:
        """A whole upload of these rows that is there already."""

    def create(self, client: Client, key: str, file: str, config: TrainConfig, attempt: int) -> str:
        """Make the job; its name at the service. `attempt` counts those of this key that failed before."""

    def created(self, client: Client, key: str, not_these: list[str]) -> str | None:
        """A job of this key that is there already."""

    def state(self, client: Client, job: str) -> State:
        """How the job stands."""

    def events(self, client: Client, job: str) -> list[str]:
        """What the service says about it, oldest first."""

    def cancel(self, client: Client, job: str) -> None:
        """Stop it."""

    def served(self, client: Client, key: str, model: str, config: TrainConfig) -> str:
        """Make the new model answer, where that takes more; the name to call it by."""


class OpenAIService:
    """OpenAI: files, fine-tuning jobs, events, cancel. Options: `epochs`, `batch_size`, `learning_rate_multiplier`, `beta`."""

    name = "OpenAI"
    methods: tuple[str, ...] = ("sft", "dpo")
    jobs, files, upload_path = "/fine_tuning/jobs", "/files", "/files"
    least_rows: int = 10
    options: ClassVar[Mapping[str, tuple[type, ...]]] = {
        "epochs": (int,),
        "batch_size": (int,),
        "learning_rate_multiplier": (int, float),
        "beta": (int, float),
    }

    def check(self, client: Client, config: TrainConfig) -> None:
        """Options, then the key and the model: OpenAI is asked for the model, which costs nothing."""
        self._check_options(config)
        client.get(f"/models/{_base_model(config)}")

    def _check_options(self, config: TrainConfig) -> None:
        check_options(self.name, {k: v for k, v in config.options.items() if k not in SHARED}, self.options)

    def upload(self, client: Client, key: str, data: TrainData) -> str:
        """One form with the rows as JSON lines; the answer says how many bytes came."""
        content = data.lines("openai").encode()
        body, headers = multipart(self.form(key), f"{key}.jsonl", content)
        found = client.once("POST", self.upload_path, body, headers)
        return str(found["id"])

    def form(self, key: str) -> dict[str, str]:
        """The fields beside the file."""
        return {"purpose": "fine-tune"}

    def uploaded(self, client: Client, key: str, data: TrainData) -> str | None:
        """The file of this name whose size is right; one that was cut is not taken."""
        size = len(data.lines("openai").encode())
        for file in self._listed(client, self.files):
            if file.get("filename") == f"{key}.jsonl" and file.get("bytes") == size and file.get("status") != "error":
                return str(file["id"])
        return None

    def create(self, client: Client, key: str, file: str, config: TrainConfig, attempt: int) -> str:
        """The job, with the key as its suffix and in its metadata."""
        names = {"epochs": "n_epochs"}
        numbers = {names.get(k, k): v for k, v in config.options.items() if k in self.options}
        kind = "supervised" if config.method == "sft" else config.method
        method = {"type": kind, kind: {"hyperparameters": numbers}}
        wanted = {"model": _base_model(config), "training_file": file, "suffix": key[:64], "seed": config.seed, "method": method}
        return str(client.post(self.jobs, {**wanted, "metadata": {"whet": key}})["id"])

    def created(self, client: Client, key: str, not_these: list[str]) -> str | None:
        """The newest job with this key."""
        for job in self._listed(client, self.jobs):
            mine = (job.get("metadata") or {}).get("whet") == key or key in str(job.get("user_provided_suffix") or job.get("suffix") or "")
            if mine and job["id"] not in not_these:
                return str(job["id"])
        return None

    def state(self, client: Client, job: str) -> State:
        """How the job stands."""
        found = client.get(f"{self.jobs}/{job}")
        status = str(found.get("status"))
        if status == "succeeded":
            return State(status="succeeded", model=found["fine_tuned_model"])
        error = found.get("error") or {}
        reason = str(error.get("message") or "") if isinstance(error, Mapping) else str(error)
        return State(status=status if status in ("failed", "cancelled") else "running", reason=reason)

    def events(self, client: Client, job: str) -> list[str]:
        """The messages of the job, oldest first."""
        found = client.get(f"{self.jobs}/{job}/events").get("data") or []
        return [str(event.get("message")) for event in reversed(found)]

    def cancel(self, client: Client, job: str) -> None:
        """Ask for the job to be stopped."""
        client.patient("POST", f"{self.jobs}/{job}/cancel", b"{}")

    def served(self, client: Client, key: str, model: str, config: TrainConfig) -> str:
        """A tuned model answers at once."""
        return _named(config, model)

    def _listed(self, client: Client, path: str) -> Iterator[Mapping[str, Any]]:
        after: dict[str, Any] = {}
        for _ in range(_PAGES):
            page = client.get(path, limit=100, **after)
            rows = page.get("data") or []
            yield from rows
            if not page.get("has_more") or not rows:
                return
            after = {"after": rows[-1]["id"]}


class TogetherService(OpenAIService):
    """Together: files, fine-tunes, events, cancel. Options: `epochs`, `batch_size`, `learning_rate`, `beta`, `lora` (default true)."""

    name = "Together"
    jobs, files, upload_path = "/fine-tunes", "/files", "/files/upload"
    least_rows = 1
    options: ClassVar[Mapping[str, tuple[type, ...]]] = {
        "epochs": (int,),
        "batch_size": (int,),
        "learning_rate": (int, float),
        "beta": (int, float),
        "lora": (bool,),
    }

    def check(self, client: Client, config: TrainConfig) -> None:
        """Options, then the key: the list of jobs is asked for, which costs nothing."""
        self._check_options(config)
        client.get(self.jobs)

    def form(self, key: str) -> dict[str, str]:
        """Together wants the file's name and type as fields, too."""
        return {"purpose": "fine-tune", "file_name": f"{key}.jsonl", "file_type": "jsonl"}

    def create(self, client: Client, key: str, file: str, config: TrainConfig, attempt: int) -> str:
        """The job, with the key as its suffix."""
        options = dict(config.options)
        method: dict[str, Any] = {"method": config.method}
        if config.method == "dpo" and "beta" in options:
            method["dpo_beta"] = options["beta"]
        wanted = {"model": _base_model(config), "training_file": file, "suffix": key, "training_method": method}
        numbers = {name: options[k] for k, name in (("batch_size", "batch_size"), ("learning_rate", "learning_rate")) if k in options}
        kind = {"type": "Lora"} if options.get("lora", True) else {"type": "Full"}
        return str(client.post(self.jobs, {**wanted, **numbers, "n_epochs": options.get("epochs", 1), "training_type": kind})["id"])

    def created(self, client: Client, key: str, not_these: list[str]) -> str | None:
        """The newest job whose suffix or output name carries the key."""
        for job in self._listed(client, self.jobs):
            carried = " ".join(str(job.get(name) or "") for name in ("suffix", "model_output_name", "output_name"))
            if key in carried and job["id"] not in not_these:
                return str(job["id"])
        return None

    def state(self, client: Client, job: str) -> State:
        """How the job stands."""
        found = client.get(f"{self.jobs}/{job}")
        status = str(found.get("status"))
        if status == "completed":
            model = found.get("model_output_name") or found.get("x_model_output_name") or found.get("output_name")
            return State(status="succeeded", model=model)
        known = {"error": "failed", "user_error": "failed", "cancelled": "cancelled"}
        return State(status=known.get(status, "running"), reason=self._last_word(found))

    @staticmethod
    def _last_word(found: Mapping[str, Any]) -> str:
        events = found.get("events") or []
        return str(events[-1].get("message") or "") if events else ""

    def events(self, client: Client, job: str) -> list[str]:
        """The messages of the job, oldest first."""
        return [str(event.get("message")) for event in client.get(f"{self.jobs}/{job}/events").get("data") or []]


SHARED = frozenset({"poll_seconds", "usd_per_million"})


def _base_model(config: TrainConfig) -> str:
    model = str(getattr(config.lm, "finetuning_model", None) or config.lm.model)
    provider, slash, name = model.partition("/")
    return name if slash and provider in _PREFIXES else model


_PREFIXES = ("openai", "together_ai", "together")


def _named(config: TrainConfig, model: str) -> str:
    prefix = config.lm.model.partition("/")[0]
    return f"{prefix}/{model}" if prefix in _PREFIXES else model
