"""The process that trains a Hugging Face model: `python -m whet.train.worker <job folder>`. Killed and started again, it goes on."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from whet.errors import StateError
from whet.lm.home import seal, verify
from whet.train.memory import holding

_logger = logging.getLogger(__name__)

__all__ = ["PLAIN_TEMPLATE", "last_whole", "run"]

# For models without a chat template of their own; it is saved with the tokenizer, so that serving writes prompts the same way.
PLAIN_TEMPLATE: Final = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token if m['role'] == 'assistant' else '' }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
# Learning rates with LoRA and without, for models of ordinary size; a preference or a reward moves a model less than an answer does.
_RATES: Final = {"sft": (2e-4, 2e-5), "dpo": (2e-5, 1e-6), "ipo": (2e-5, 1e-6), "grpo": (1e-4, 2e-6)}
_EPOCHS: Final = {"sft": 3, "dpo": 1, "ipo": 1, "grpo": 1}
_MAX_LENGTH: Final = 2048
_CHOSEN_WEIGHT: Final = 0.2


def run(folder: Path) -> None:
    """Train what `job.json` and `rows.jsonl` in the folder say; the model is in `out` when `done` is there."""
    with holding(folder / "lock"):  # a worker whose parent was killed may still be ending
        if (folder / "done").is_file():
            return
        shutil.rmtree(folder / "out", ignore_errors=True)
        _train(folder)
        (folder / "done").write_text("", encoding="utf-8")


def _train(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").split("\n") if line]
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed  # noqa: PLC0415 - optional, and this process exists for it

    set_seed(job["seed"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    tokenizer.chat_template = tokenizer.chat_template or PLAIN_TEMPLATE
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype="float32")
    make = {"sft": _sft, "dpo": _preferences, "ipo": _preferences, "grpo": _grpo}[job["method"]]
    trainer = make(job, rows, model, processing_class=tokenizer, callbacks=[_watching(folder, job)], folder=folder)
    checkpoint = last_whole(folder / "checkpoints")
    if checkpoint is not None:
        _logger.info("goes on from %s", checkpoint.name)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    trained = trainer.model.merge_and_unload() if hasattr(trainer.model, "merge_and_unload") else trainer.model
    trained.save_pretrained(folder / "out")
    tokenizer.save_pretrained(folder / "out")


def note(progress: Path, step: int, loss: float) -> None:
    """One point of the loss curve, where the parent reads it. Raises `FloatingPointError` for a loss that is no number."""
    with progress.open("a", encoding="utf-8") as file:
        file.write(json.dumps([step, loss if math.isfinite(loss) else str(loss)]) + "\n")
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss became {loss} at step {step}; lower the `learning_rate`, or look at the rows")


def last_whole(folder: Path) -> Path | None:
    """The newest checkpoint that was sealed and is as it was then; those after it are thrown away."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]), reverse=True):
        try:
            verify(path)
        except StateError:
            shutil.rmtree(path)
        else:
            return path
    return None


def _watching(folder: Path, job: Mapping[str, Any]) -> Any:
    from transformers import TrainerCallback  # noqa: PLC0415 - optional, and this process exists for it

    class Watching(TrainerCallback):  # type: ignore[misc]
        """Notes each loss, seals each checkpoint, and ends with the program that wants the model."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                note(folder / job["progress"], state.global_step, float(logs["loss"]))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            seal(folder / "checkpoints" / f"checkpoint-{state.global_step}", "checkpoint", "checkpoint")

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if os.name == "posix" and os.getppid() != job["parent"]:
                raise SystemExit("the program that asked for this training has ended")

    return Watching()


def _arguments(job: Mapping[str, Any], folder: Path, count: int, answers: int = 1) -> dict[str, Any]:
    """What all ways to train have in common; `answers` is how many a row holds."""
    import torch  # noqa: PLC0415 - optional, and this process exists for it

    options, gpu = job["options"], bool(torch.cuda.is_available())
    batch = max(1, options.get("batch_size", 8) // answers)
    steps = max(1, math.ceil(count / batch))
    epochs = options.get("epochs", _EPOCHS[job["method"]])
    return {
        "output_dir": str(folder / "checkpoints"),
        "num_train_epochs": epochs,
        "learning_rate": options.get("learning_rate", _RATES[job["method"]][0 if options.get("lora", True) else 1]),
        # Adam's first steps are as long as any other, and in a wrong direction.
        "warmup_steps": max(1, round(0.05 * steps * epochs)),
        "per_device_train_batch_size": batch,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would show a mean in the place of a loss that is no number
        "save_steps": options.get("save_steps", steps),
        "save_total_limit": 2,
        "report_to": [],
        "seed": job["seed"],
        "disable_tqdm": True,
        "use_cpu": not gpu,
        # On a CPU half precision saves nothing and loses what two answers differ by.
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "gradient_checkpointing": gpu,
    }


def _lora(job: Mapping[str, Any]) -> Any:
    if not job["options"].get("lora", True):
        return None
    from peft import LoraConfig  # noqa: PLC0415 - optional, and this process exists for it

    rank = job["options"].get("lora_rank", 16)
    return LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")


def _sft(job: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], model: Any, *, folder: Path, **given: Any) -> Any:
    """Supervised: only the last answer of each row is learnt."""
    from trl import SFTConfig, SFTTrainer  # noqa: PLC0415 - optional, and this process exists for it

    from datasets import Dataset  # noqa: PLC0415 - optional, and this process exists for it

    data = Dataset.from_list([{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in rows])
    config = SFTConfig(max_length=job["options"].get("max_length", _MAX_LENGTH), **_arguments(job, folder, len(rows)))
    return SFTTrainer(model=model, args=config, train_dataset=data, peft_config=_lora(job), **given)


def _preferences(job: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], model: Any, *, folder: Path, **given: Any) -> Any:
    """DPO or IPO on pairs, and by `chosen_weight` the likelihood of what was chosen: preferring alone may make both answers unlikely, the
    rejected one faster, and something third is said then (Pang et al. 2024, arXiv 2404.19733)."""
    from trl import DPOConfig, DPOTrainer  # noqa: PLC0415 - optional, and this process exists for it

    from datasets import Dataset  # noqa: PLC0415 - optional, and this process exists for it

    options = job["options"]
    data = Dataset.from_list([{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows])
    beta = options.get("beta", 0.1)
    # IPO's square is weighed so that its first step is as long as DPO's: what was chosen weighs the same beside both.
    losses = {"sigmoid": 1.0} if job["method"] == "dpo" else {"ipo": beta**2 / 2}
    if weight := options.get("chosen_weight", _CHOSEN_WEIGHT):
        losses["sft"] = weight
    config = DPOConfig(
        beta=beta,
        loss_type=list(losses),
        loss_weights=list(losses.values()),
        max_length=options.get("max_length", _MAX_LENGTH),
        **_arguments(job, folder, len(rows)),
    )
    return DPOTrainer(model=model, args=config, train_dataset=data, peft_config=_lora(job), **given)


def _grpo(job: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], model: Any, *, folder: Path, **given: Any) -> Any:
    """GRPO on groups that are there already."""
    from transformers import TrainingArguments  # noqa: PLC0415 - optional, and this process exists for it

    from whet.train.groups import group_trainer, groups_of  # noqa: PLC0415 - one of four ways to train

    options = job["options"]
    groups = groups_of(rows, given["processing_class"], options.get("max_length", _MAX_LENGTH))
    if not groups:
        raise ValueError(f"in none of {len(rows)} groups do answers of at most `max_length` tokens earn differently")
    config = TrainingArguments(remove_unused_columns=False, label_names=[], **_arguments(job, folder, len(groups), max(map(len, groups))))
    if config.device.type == "cuda":
        model = model.to(config.device)
    if (lora := _lora(job)) is not None:
        from peft import get_peft_model  # noqa: PLC0415 - optional, and this process exists for it

        model = get_peft_model(model, lora)  # it begins as no change, so probabilities before it are those of the model
    return group_trainer(model, groups, options.get("beta", 0.04), args=config, **given)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run(Path(sys.argv[1]))
