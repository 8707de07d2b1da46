"""Training on Databricks: rows to a Unity Catalog volume, a run of your training job, the registered model to a serving endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from whet.errors import ConfigurationError, TrainingError
from whet.train.client import Client
from whet.train.data import TrainData
from whet.train.service import SHARED, State
from whet.train.trainer import TrainConfig, check_options

__all__ = ["DatabricksService"]

_POLL_SECONDS = 10.0


class DatabricksService:
    """Databricks, through the public REST API: Files, Jobs, Unity Catalog and Model Serving.

    Databricks retired its one-call fine-tuning service in 2026, so the training itself is a job of the workspace (`job_id`), which is run
    with the job parameters `train_data_path`, `model`, `register_to`, `method` and the numbers given here. `volume` is where the rows go
    (`/Volumes/catalog/schema/volume`), `register_to` the Unity Catalog name under which the job registers the model. Runs are made with
    an idempotency token, so the same training is never started twice. `throughput` is the endpoint's `max_provisioned_throughput`.
    """

    name = "Databricks"
    methods: tuple[str, ...] = ("sft", "dpo", "grpo")
    least_rows: int = 1
    needed: ClassVar[tuple[str, ...]] = ("job_id", "volume", "register_to")
    options: ClassVar[Mapping[str, tuple[type, ...]]] = {
        "job_id": (int,),
        "volume": (str,),
        "register_to": (str,),
        "throughput": (int,),
        "epochs": (int,),
        "learning_rate": (int, float),
        "beta": (int, float),
    }

    def check(self, client: Client, config: TrainConfig) -> None:
        """Options, then the workspace is asked for the job and the volume, which costs nothing."""
        check_options(self.name, {k: v for k, v in config.options.items() if k not in SHARED}, self.options)
        missing = [name for name in self.needed if name not in config.options]
        if missing:
            raise ConfigurationError(
                f"{self.name} needs the option `{missing[0]}`. `job_id` is the number of a training job, `volume` the folder of the rows, "
                "`register_to` the model's name in Unity Catalog ('catalog.schema.name')."
            )
        if config.options["register_to"].count(".") != 2 or not config.options["volume"].startswith("/Volumes/"):
            raise ConfigurationError(
                f"`register_to` is {config.options['register_to']!r} and `volume` {config.options['volume']!r}; they look like "
                "'catalog.schema.name' and '/Volumes/catalog/schema/volume'."
            )
        self._get(client, "/api/2.1/jobs/get", job_id=config.options["job_id"])
        self._get(client, f"/api/2.0/fs/directories{quote(config.options['volume'])}")
        self._config = config

    def upload(self, client: Client, key: str, data: TrainData) -> str:
        """Put the rows into the volume, whole."""
        path = self._path(key)
        self._rooted(client).once("PUT", f"/api/2.0/fs/files{quote(path)}?overwrite=true", data.lines("openai").encode())
        return path

    def uploaded(self, client: Client, key: str, data: TrainData) -> str | None:
        """The file in the volume, if its size is right."""
        found = self._get(client, f"/api/2.0/fs/directories{quote(self._config.options['volume'])}")
        size = len(data.lines("openai").encode())
        sizes = {file.get("name"): file.get("file_size") for file in found.get("contents") or []}
        return self._path(key) if sizes.get(f"{key}.jsonl") == size else None

    def create(self, client: Client, key: str, file: str, config: TrainConfig, attempt: int) -> str:
        """Run the training job; the token makes a second call with the same one return the first run."""
        numbers = {name: str(config.options[name]) for name in ("epochs", "learning_rate", "beta") if name in config.options}
        given = {"train_data_path": file, "model": config.lm.model.partition("/")[2], "method": config.method}
        given["register_to"] = config.options["register_to"]
        token = f"{key}-{attempt}"[:64]
        wanted = {"job_id": config.options["job_id"], "idempotency_token": token, "job_parameters": {**given, **numbers}}
        return str(self._rooted(client).post("/api/2.1/jobs/run-now", wanted)["run_id"])

    def created(self, client: Client, key: str, not_these: list[str]) -> str | None:
        """Nothing to look for: `create` itself finds a run of the same token."""
        return None

    def state(self, client: Client, job: str) -> State:
        """How the run stands."""
        state = self._get(client, "/api/2.1/jobs/runs/get", run_id=job).get("state") or {}
        if state.get("result_state") == "SUCCESS":
            name = self._config.options["register_to"]
            found = self._get(client, f"/api/2.1/unity-catalog/models/{quote(name)}/versions").get("model_versions") or []
            if not found:
                return State(status="failed", reason=f"the run ended well, but registered no version of `{name}`")
            return State(status="succeeded", model=f"{name}@{max(int(v['version']) for v in found)}")
        if state.get("life_cycle_state") in ("TERMINATED", "SKIPPED", "INTERNAL_ERROR"):
            ended = "cancelled" if state.get("result_state") == "CANCELED" else "failed"
            return State(status=ended, reason=str(state.get("state_message") or ""))
        return State(status="running")

    def events(self, client: Client, job: str) -> list[str]:
        """What the run says about itself."""
        state = self._get(client, "/api/2.1/jobs/runs/get", run_id=job).get("state") or {}
        return [f"{state.get('life_cycle_state')}: {state.get('state_message') or ''}".rstrip(": ")]

    def cancel(self, client: Client, job: str) -> None:
        """Stop the run."""
        self._rooted(client).patient("POST", "/api/2.1/jobs/runs/cancel", f'{{"run_id": {int(job)}}}'.encode())

    def served(self, client: Client, key: str, model: str, config: TrainConfig) -> str:
        """A serving endpoint for the registered version, made once and waited for."""
        rooted = self._rooted(client)
        entity, _, version = model.partition("@")
        if rooted.maybe(f"/api/2.0/serving-endpoints/{key}") is None:
            limit = {"min_provisioned_throughput": 0, "max_provisioned_throughput": config.options.get("throughput", 0)}
            served: dict[str, Any] = {"entity_name": entity, "entity_version": version, **(limit if "throughput" in config.options else {})}
            rooted.post("/api/2.0/serving-endpoints", {"name": key, "config": {"served_entities": [served]}})
        while True:
            state = rooted.get(f"/api/2.0/serving-endpoints/{key}").get("state") or {}
            if state.get("ready") == "READY":
                return f"databricks/{key}"
            if "FAILED" in str(state.get("config_update")):
                raise TrainingError(f"The endpoint `{key}` for `{model}` could not be made: {state}.", job=key)
            client.pause(config.options.get("poll_seconds", _POLL_SECONDS))

    def _path(self, key: str) -> str:
        return f"{self._config.options['volume'].rstrip('/')}/{key}.jsonl"

    def _get(self, client: Client, path: str, **query: Any) -> dict[str, Any]:
        return self._rooted(client).get(path, **query)

    @staticmethod
    def _rooted(client: Client) -> Client:
        """The client at the workspace's root; models answer below `/serving-endpoints`."""
        client.root = client.site.base().removesuffix("/serving-endpoints")
        return client
