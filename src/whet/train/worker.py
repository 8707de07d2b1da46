"""The process that trains a Hugging Face model: `python -m whet.train.worker <job folder>`. Killed and started again, it goes on."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["PLAIN_TEMPLATE", "run"]

# For models without a chat template of their own; it is saved with the tokenizer, so that serving writes prompts the same way.
PLAIN_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token if m['role'] == 'assistant' else '' }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def run(folder: Path) -> None:
    """Train what `job.json` and `rows.jsonl` in the folder say; the model is in `out` when `done` is there."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed  # noqa: PLC0415 - optional, and this process exists for it

    set_seed(job["seed"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    tokenizer.chat_template = tokenizer.chat_template or PLAIN_TEMPLATE
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype="float32")
    trained = {"sft": _sft, "dpo": _preferences, "ipo": _preferences, "grpo": _grpo}[job["method"]](job, rows, model, tokenizer, folder)
    if hasattr(trained, "merge_and_unload"):
        trained = trained.merge_and_unload()
    trained.save_pretrained(folder / "out")
    tokenizer.save_pretrained(folder / "out")
    (folder / "done").write_text("", encoding="utf-8")


def note(folder: Path, step: int, loss: float) -> None:
    """One point of the loss curve, where the parent reads it. Raises `FloatingPointError` for a loss that is no number."""
    with (folder / "progress.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps([step, loss if math.isfinite(loss) else str(loss)]) + "\n")
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss became {loss} at step {step}; lower the `learning_rate`, or look at the rows")


def _arguments(job: Mapping[str, Any], folder: Path, count: int) -> dict[str, Any]:
    options = job["options"]
    batch = options.get("batch_size", 8)
    steps = max(1, math.ceil(count / batch))
    return {
        "output_dir": str(folder / "checkpoints"),
        "num_train_epochs": options.get("epochs", 3),
        "learning_rate": options.get("learning_rate", 2e-4 if options.get("lora", True) else 2e-5),
        "per_device_train_batch_size": batch,
        "logging_steps": 1,
        "save_steps": options.get("save_steps", steps),
        "save_total_limit": 2,
        "report_to": [],
        "seed": job["seed"],
        "use_cpu": not _has_gpu(),
        "max_length": options.get("max_length", 2048),
        "disable_tqdm": True,
    }


def _has_gpu() -> bool:
    import torch  # noqa: PLC0415 - optional, and this process exists for it

    return bool(torch.cuda.is_available())


def _lora(job: Mapping[str, Any]) -> Any:
    if not job["options"].get("lora", True):
        return None
    from peft import LoraConfig  # noqa: PLC0415 - optional, and this process exists for it

    rank = job["options"].get("lora_rank", 16)
    return LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")


def _telling(folder: Path) -> Any:
    from transformers import TrainerCallback  # noqa: PLC0415 - optional, and this process exists for it

    class Telling(TrainerCallback):  # type: ignore[misc]
        """Notes each logged loss."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                note(folder, state.global_step, float(logs["loss"]))

    return Telling()


def _trained(trainer: Any, folder: Path) -> Any:
    """Train, from the last whole checkpoint if a process before this one left some."""
    found = sorted((folder / "checkpoints").glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]))
    whole = [path for path in found if (path / "trainer_state.json").is_file()]
    trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)
    return trainer.model


def _sft(job: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], model: Any, tokenizer: Any, folder: Path) -> Any:
    """Supervised: only the last answer of each row is learnt."""
    from trl import SFTConfig, SFTTrainer  # noqa: PLC0415 - optional, and this process exists for it

    from datasets import Dataset  # noqa: PLC0415 - optional, and this process exists for it

    data = Dataset.from_list([{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in rows])
    config = SFTConfig(**_arguments(job, folder, len(rows)))
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=data, processing_class=tokenizer, peft_config=_lora(job), callbacks=[_telling(folder)]
    )
    return _trained(trainer, folder)


def _preferences(job: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], model: Any, tokenizer: Any, folder: Path) -> Any:
    """DPO or IPO on pairs."""
    from trl import DPOConfig, DPOTrainer  # noqa: PLC0415 - optional, and this process exists for it

    from datasets import Dataset  # noqa: PLC0415 - optional, and this process exists for it

    data = Dataset.from_list([{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows])
    kind = "sigmoid" if job["method"] == "dpo" else "ipo"
    config = DPOConfig(beta=job["options"].get("beta", 0.1), loss_type=kind, **_arguments(job, folder, len(rows)))
    trainer = DPOTrainer(
        model=model, args=config, train_dataset=data, processing_class=tokenizer, peft_config=_lora(job), callbacks=[_telling(folder)]
    )
    return _trained(trainer, folder)


def _grpo(job: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], model: Any, tokenizer: Any, folder: Path) -> Any:
    """Group-relative policy optimization on groups that the program itself has drawn and rated: advantages within each group, and a penalty
    for leaving the start. The groups are on-policy, so one pass needs no clipping; more passes are clipped."""
    import torch  # noqa: PLC0415 - optional, and this process exists for it

    device = "cuda" if _has_gpu() else "cpu"
    options, lora = job["options"], _lora(job)
    model = model.to(device)
    if lora is not None:
        from peft import get_peft_model  # noqa: PLC0415 - optional, and this process exists for it

        model = get_peft_model(model, lora)
    cases = [case for row in rows for case in _cases(row, tokenizer)]
    model.eval()
    with torch.no_grad():
        before = [_likelihood(model, ids, start, device) for ids, start, _ in cases]
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=options.get("learning_rate", 1e-4))
    batch, step = options.get("batch_size", 8), 0
    for _ in range(options.get("epochs", 1)):
        for begin in torch.randperm(len(cases)).split(batch):
            losses = [_policy_loss(model, cases[i], before[i], options.get("beta", 0.04), device) for i in begin.tolist()]
            loss = torch.stack(losses).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            note(folder, step, float(loss.detach()))
    return model


def _cases(row: Mapping[str, Any], tokenizer: Any) -> list[tuple[list[int], int, float]]:
    """Each answer as token ids with the place where it starts, and its advantage."""
    rewards = row["rewards"]
    mean = sum(rewards) / len(rewards)
    spread = math.sqrt(sum((r - mean) ** 2 for r in rewards) / len(rewards))
    prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
    found = []
    for answer, reward in zip(row["completions"], rewards, strict=True):
        if spread and reward != mean:
            text = answer[0]["content"] + (tokenizer.eos_token or "")
            ids = list(prompt) + tokenizer(text, add_special_tokens=False)["input_ids"]
            found.append((ids, len(prompt), (reward - mean) / spread))
    return found


def _likelihood(model: Any, ids: Sequence[int], start: int, device: str) -> Any:
    """The log-probability of each token of the answer."""
    import torch  # noqa: PLC0415 - optional, and this process exists for it

    given = torch.tensor([ids], device=device)
    scores = model(given).logits[0, start - 1 : -1].log_softmax(-1)
    return scores.gather(1, given[0, start:, None])[:, 0]


def _policy_loss(model: Any, case: tuple[list[int], int, float], before: Any, beta: float, device: str) -> Any:
    ids, start, advantage = case
    apart = _likelihood(model, ids, start, device) - before
    ratio = apart.exp()
    gain = (ratio * advantage).minimum(ratio.clamp(0.8, 1.2) * advantage)
    divergence = (-apart).exp() + apart - 1
    return (beta * divergence - gain).mean()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
