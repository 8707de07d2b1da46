"""Group-relative policy optimization on answers that the program itself has drawn and rated, as a trainer of transformers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["group_trainer", "groups_of"]

CLIP = 0.2  # how far the probability of a token may move before it earns nothing more


def groups_of(rows: Sequence[Mapping[str, Any]], tokenizer: Any, longest: int) -> list[list[dict[str, Any]]]:
    """For each prompt the answers that earned more or less than its mean: token ids, where the answer starts, its standardised reward."""
    return [cases for row in rows if (cases := _cases(row, tokenizer, longest))]


def _cases(row: Mapping[str, Any], tokenizer: Any, longest: int) -> list[dict[str, Any]]:
    rewards = row["rewards"]
    mean = sum(rewards) / len(rewards)
    spread = math.sqrt(sum((r - mean) ** 2 for r in rewards) / len(rewards))
    prompt = list(tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False))
    found = []
    for place, (answer, reward) in enumerate(zip(row["completions"], rewards, strict=True)):
        end = "" if place in row.get("cut", ()) else tokenizer.eos_token or ""
        text = answer[0]["content"] + end
        ids = prompt + tokenizer(text, add_special_tokens=False)["input_ids"]
        if spread and reward != mean and len(prompt) < len(ids) <= longest:
            found.append({"ids": ids, "start": len(prompt), "advantage": (reward - mean) / spread})
    return found


def group_trainer(model: Any, groups: Sequence[list[dict[str, Any]]], beta: float, **given: Any) -> Any:
    """A trainer over these groups. They were drawn by `model` as it is now, so it is both the policy before and the reference: answers earn
    by their advantage, clipped where a token has moved far (Shao et al. 2024, arXiv 2402.03300), and `beta` holds the model back.

    A group is never torn apart: what its answers have in common, such as their form, is pushed up by some as much as down by others, and
    only together do these pushes cancel."""
    import torch  # noqa: PLC0415 - optional, and only the training process comes here
    from transformers import Trainer  # noqa: PLC0415 - optional, and only the training process comes here

    class GroupTrainer(Trainer):  # type: ignore[misc]
        """Answers, each with the probabilities that its tokens had before."""

        def compute_loss(self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False, **_: Any) -> Any:
            now = _likelihoods(model, inputs)
            answer = inputs["answer"]
            apart = (now - inputs["before"]) * answer
            ratio, advantage = apart.exp(), inputs["advantage"][:, None]
            gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
            divergence = (-apart).exp() + apart - 1
            each = ((beta * divergence - gain) * answer).sum(-1) / answer.sum(-1)
            return (each.mean(), None) if return_outputs else each.mean()

    tokenizer = given["processing_class"]
    for cases in groups:
        _remember(model, cases, tokenizer)
    together = [{"cases": cases} for cases in groups]
    return GroupTrainer(model=model, train_dataset=together, data_collator=lambda some: _flat(some, tokenizer), **given)


def _flat(groups: Sequence[Mapping[str, Any]], tokenizer: Any) -> dict[str, Any]:
    return _batch([case for group in groups for case in group["cases"]], tokenizer)


def _batch(cases: Sequence[Mapping[str, Any]], tokenizer: Any) -> dict[str, Any]:
    """Cases side by side, padded at the right; `answer` is 1 where a token belongs to the answer."""
    import torch  # noqa: PLC0415 - optional, and only the training process comes here

    width = max(len(case["ids"]) for case in cases)
    ids = torch.full((len(cases), width), tokenizer.pad_token_id)
    there, answer, before = (torch.zeros(len(cases), width) for _ in range(3))
    for place, case in enumerate(cases):
        start, end = case["start"], len(case["ids"])
        ids[place, :end] = torch.tensor(case["ids"])
        there[place, :end] = 1
        answer[place, start:end] = 1
        if "before" in case:
            before[place, start:end] = torch.tensor(case["before"])
    advantage = torch.tensor([case["advantage"] for case in cases])
    return {"input_ids": ids, "attention_mask": there.long(), "answer": answer[:, 1:], "before": before[:, 1:], "advantage": advantage}


def _likelihoods(model: Any, inputs: Mapping[str, Any]) -> Any:
    """The log-probability of each token but the first, given those before it."""
    scores = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits[:, :-1].float()
    return scores.log_softmax(-1).gather(2, inputs["input_ids"][:, 1:, None])[:, :, 0]


def _remember(model: Any, cases: Sequence[dict[str, Any]], tokenizer: Any) -> None:
    """Write into each case of a group how likely its tokens are now."""
    import torch  # noqa: PLC0415 - optional, and only the training process comes here

    model.eval()
    inputs = {name: value.to(model.device) for name, value in _batch(cases, tokenizer).items()}
    with torch.no_grad():
        found = _likelihoods(model, inputs).cpu()
    for place, case in enumerate(cases):
        case["before"] = found[place, case["start"] - 1 : len(case["ids"]) - 1].tolist()
