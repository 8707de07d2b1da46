"""The local trainer: a Hugging Face causal LM in a folder, trained by a process of its own through transformers, TRL and PEFT."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import whet
from whet.core.whole import write_whole
from whet.errors import ConfigurationError, MissingExtraError, TrainingError
from whet.lm.home import find_model, home_folder, publish
from whet.train.data import TrainData, data_hash
from whet.train.memory import Memory, known_model
from whet.train.trainer import Job, Preflight, TrainConfig, check_kind, check_method, check_options, started

__all__ = ["LocalTrainer"]

PACKAGES: Final = ("torch", "transformers", "trl", "peft", "datasets")
_OPTIONS: Final = {
    "epochs": (int,),
    "learning_rate": (int, float),
    "batch_size": (int,),
    "beta": (int, float),
    "chosen_weight": (int, float),
    "lora": (bool,),
    "lora_rank": (int,),
    "max_length": (int,),
    "save_steps": (int,),
}
_LOOK_EVERY: Final = 0.2
_FULL: Final = os.strerror(errno.ENOSPC)
_TINY: Final = 1 << 16


class LocalTrainer:
    """Trains `whet.LM("local:<folder or name>")`: `sft`, `dpo`, `ipo` and `grpo`, with LoRA (merged at the end) or, with `lora=False`, all
    weights. Options: `epochs`, `learning_rate`, `batch_size`, `beta`, `lora`, `lora_rank`, `max_length` (tokens), `save_steps`.

    It uses a GPU where torch finds one. The process can be killed at any moment: its checkpoints are kept, and the same training goes on
    from the last one; its log stays in the job's folder under the home. The result is a new model in the model home.
    """

    def ready(self, config: TrainConfig) -> None:
        """What can be wrong without any rows. Raises `ConfigurationError`, `MissingExtraError` or `TrainingError`."""
        model = str(getattr(config.lm, "model", ""))
        if not model.startswith("local:"):
            raise ConfigurationError(f'The local trainer trains `whet.LM("local:<folder>")`, not {config.lm!r}.')
        folder = find_model(model.partition(":")[2])
        check_method("The local trainer", config, ("sft", "dpo", "ipo", "grpo"))
        check_options("The local trainer", config.options, _OPTIONS)
        for name, value in config.options.items():
            if name != "lora" and value <= 0:
                raise ConfigurationError(f"`{name}` is {value!r}; it must be above 0.")
        if not (folder / "config.json").is_file():
            raise ConfigurationError(f"`{folder}` has no `config.json`: it is no Hugging Face model. Give the folder of `save_pretrained`.")
        for package in PACKAGES:
            if find_spec(package) is None:
                raise MissingExtraError("Training a local model", package, "train")
        _check_space(folder, bool(config.options.get("lora", True)))

    def check(self, data: TrainData, config: TrainConfig) -> Preflight:
        """What can be wrong, found before the training starts."""
        self.ready(config)
        check_kind(config, data)
        return Preflight(rows=len(data), tokens=data.tokens, epochs=config.options.get("epochs", 3), usd=0.0)

    def train(self, data: TrainData, config: TrainConfig) -> Job:
        """A training that is already running, or goes on."""
        preflight = self.check(data, config)
        return started(config, data, preflight, lambda job: self._work(job, data, config))

    def _work(self, job: Job, data: TrainData, config: TrainConfig) -> Any:
        memory = Memory(f"local-{data_hash(data, config.lm.model, config.method, dict(config.options), config.seed, config.name)}")
        with memory.held():
            name = known_model(memory)
            if name is None:
                name = self._made(job, memory, data, config)
                memory.put(model=name)
        job.name = name
        return config.lm.copy(model=f"local:{name}")

    def _made(self, job: Job, memory: Memory, data: TrainData, config: TrainConfig) -> str:
        folder = home_folder("jobs", memory.key)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        base = find_model(config.lm.model.partition(":")[2])
        data.save(folder / "rows.jsonl")
        if not (folder / "done").is_file():
            progress = folder / f"progress-{uuid4().hex}.jsonl"
            about = {"model": str(base), "method": config.method, "options": dict(config.options), "seed": config.seed}
            here = {"parent": os.getpid(), "progress": progress.name}
            write_whole(folder / "job.json", json.dumps({**about, **here}))
            self._run(job, folder, progress)
        facts = {"base": config.lm.model, "method": config.method, "rows": len(data), "losses": job.losses[-1:]}
        name = publish(config.name or "local", "transformers", lambda fresh: shutil.copytree(folder / "out", fresh), facts)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        (folder / "done").unlink(missing_ok=True)
        return name

    def _run(self, job: Job, folder: Path, progress: Path) -> None:
        """The process, watched: its losses become the job's, its end is awaited, and it is stopped when the job is cancelled."""
        for old in folder.glob("progress-*.jsonl"):
            old.unlink(missing_ok=True)
        source = str(Path(whet.__file__).resolve().parents[1])
        paths = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
        quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache"), "TOKENIZERS_PARALLELISM": "false"}
        env = {**os.environ, **quiet, "PYTHONPATH": paths}
        with (folder / "log.txt").open("ab") as log:
            command = [sys.executable, "-m", "whet.train.worker", str(folder)]
            with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env) as process:
                try:
                    job.name = f"process {process.pid}"
                    while process.poll() is None:
                        self._look(job, progress)
                        job.wait(_LOOK_EVERY)
                except BaseException:
                    process.kill()
                    raise
        self._look(job, progress)
        if process.returncode or not (folder / "done").is_file():
            raise _ended(process.returncode, folder)

    @staticmethod
    def _look(job: Job, progress: Path) -> None:
        lines = progress.read_text(encoding="utf-8").splitlines() if progress.is_file() else []
        for line in lines[len(job.losses) :]:
            try:
                step, loss = json.loads(line)
            except ValueError:
                return
            job.note(int(step), float(loss))


def _ended(code: int, folder: Path) -> TrainingError:
    log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")[-4000:]
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "it said nothing")
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    where = f"Its log is `{folder / 'log.txt'}`; the same training goes on from its last checkpoint."
    # Of a disk that is full even the log holds but a part.
    if code > 0 and (_FULL in log or shutil.disk_usage(folder).free < _TINY):
        return TrainingError(f"The disk is full at `{folder}`: the training process {how} and made no model. Make room. {where}", log=log)
    return TrainingError(f"The training process {how}: {last[:300]} {where}", log=log)


def _check_space(folder: Path, lora: bool) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    single = size * (2 if about.get("dtype", about.get("torch_dtype")) in ("float16", "bfloat16") else 1)
    # The result and its copy in the home; without LoRA also two checkpoints and a third being written, each with Adam's two moments.
    needed = single * (3 if lora else 12)
    place = home_folder()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise TrainingError(
            f"{free / 2**30:.1f} GiB are free at `{place}`; checkpoints and the result of a model of {size / 2**30:.1f} GiB need about "
            f"{needed / 2**30:.1f} GiB. Make room, or set `WHET_HOME` to another place."
        )
