"""A language model of this machine learns from rewards: how many are left over? The program checks the sum, and no answer is shown.

    python examples/weights/local_grpo.py                           # a tiny model that is made here, three seeds; needs the extra `train`
    python examples/weights/local_grpo.py --lm local:/models/smollm # any model in transformers' format, on a GPU where there is one

The tiny model is a Llama of two layers with random weights. It is first taught to answer in form, with habits: for two numbers of three it
says a wrong rest three times in five, else the right one. Rewards can only change what the model already tells apart, so it is taught until
its answers depend on the number; taught a quarter as long it says the same to every number, and no reward helps. Test rows are pairs of a
number and things that no training row has. All settings were chosen on other numbers, things and seeds (100 to 111; apples, boats, coins;
seeds 0 to 2; and, for the number of steps, 0 to 11 and seeds 20 to 22), and the rows below were then measured once.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
from pathlib import Path
from typing import Any, Literal

import report

import whet
from whet.errors import MissingExtraError
from whet.train import TrainConfig, as_data, trainer_of

NUMBERS = tuple(range(30, 42))
THINGS = tuple("mugs needles ovens pans quilts rings scarves tiles urns vases whistles yoyos".split())
FIRST_SEED = 40
RESTS = ("0", "1", "2")
SIGNATURE = whet.Signature(
    "number: int, things -> left_over", "So many things are packed into boxes of three. How many are left over?"
).with_updated_fields("left_over", type_=Literal[RESTS])
ADAPTER = whet.ChatAdapter()


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    """The reward: 1 for the right rest, else 0."""
    return bool(int(prediction.left_over) == example.number % 3)


def chat(number: int, things: str, rest: str) -> dict[str, Any]:
    """One question and an answer to it, as the program would ask and be answered."""
    row: dict[str, Any] = ADAPTER.format_finetune_data(SIGNATURE, [], {"number": number, "things": things}, {"left_over": rest})
    return row


def checkpoint(folder: Path, seed: int) -> Path:
    """A Llama of random weights and a tokenizer that knows each line of these prompts and answers as one token."""
    try:
        import torch  # noqa: PLC0415 - a gigabyte, and only this model needs it here
        from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415 - comes with torch's
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: PLC0415 - comes with torch's
    except ImportError as error:
        raise MissingExtraError("A model that is made here", error.name or "torch", "train") from error

    chats = [chat(*asked, rest) for asked in itertools.product(NUMBERS, THINGS) for rest in RESTS]
    lines = dict.fromkeys(line for row in chats for message in row["messages"] for line in message["content"].split("\n") if line)
    names = ["<pad>", "<eos>", "<unk>", "<|system|>", "<|user|>", "<|assistant|>", "\n", *lines]
    lines_as_tokens = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="<unk>"))
    lines_as_tokens.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
    torch.manual_seed(seed)
    shape = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=len(names), max_position_embeddings=128, pad_token_id=0, eos_token_id=1, bos_token_id=None, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    special = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=lines_as_tokens, **special).save_pretrained(folder)
    return folder


def taught(pairs: list[tuple[int, str]], seed: int) -> Any:
    """The tiny model with its habits."""
    wrong = set(random.Random(seed).sample(NUMBERS, len(NUMBERS) * 2 // 3))

    def habit(number: int) -> list[str]:
        good, bad = str(number % 3), str((number + 1) % 3)
        return [bad] * 3 + [good] * 2 if number in wrong else [good] * 3 + [bad] * 2

    lm = whet.LM(f"local:{checkpoint(Path(tempfile.mkdtemp()), seed)}", cache=False, max_tokens=16)
    rows = as_data([chat(number, things, rest) for number, things in pairs for rest in habit(number)])
    options = {"epochs": 40, "learning_rate": 0.003, "batch_size": 16, "lora": False}
    return trainer_of(lm).train(rows, TrainConfig(lm=lm, options=options, seed=seed, name="habits")).result()


def recipe(given: argparse.Namespace, seed: int) -> Any:
    """GRPO; the tiny model has no use for LoRA and bears great steps."""
    tiny = {"epochs": 4, "learning_rate": 0.002, "batch_size": 32, "beta": 0.01, "lora": False}
    sizes = {"num_train_steps": given.steps, "rows_per_step": given.rows, "group_size": given.group}
    return whet.GRPO(right, **sizes, train_kwargs={} if given.lm else tiny, seed=seed, num_threads=8 if given.lm else 1)


def examples(pairs: list[tuple[int, str]]) -> list[whet.Example]:
    """Rows without any answer."""
    return [whet.Example(number=number, things=things).with_inputs("number", "things") for number, things in pairs]


def arguments() -> argparse.Namespace:
    """What the command line says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lm", help="a model such as local:/models/smollm; without it a tiny one is made")
    options.add_argument("--steps", type=int, default=6)
    options.add_argument("--rows", type=int, default=24)
    options.add_argument("--group", type=int, default=8)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--write", action="store_true", help="put the table into docs/weights.md")
    return options.parse_args()


def main() -> None:
    """Measure, print, and write the table."""
    given = arguments()
    report.own_home()
    results: dict[str, list[list[float]]] = {"as it is": [], "GRPO": []}
    seconds = {"as it is": 0.0, "GRPO": 0.0}
    everything = random.Random(FIRST_SEED).sample(list(itertools.product(NUMBERS, THINGS)), len(NUMBERS) * len(THINGS))
    test = examples(everything[84:])
    for seed in range(FIRST_SEED, FIRST_SEED + given.seeds):
        pairs = random.Random(seed).sample(everything[:84], 84)
        clock = report.Clock()
        program = whet.Predict(SIGNATURE)
        program.lm = whet.LM(given.lm, cache=False) if given.lm else taught(pairs[:60], seed)
        seconds["as it is"] += clock() / given.seeds
        clock = report.Clock()
        trained = recipe(given, seed).compile(program, trainset=examples(pairs[:60]), valset=examples(pairs[60:]))
        seconds["GRPO"] += clock() / given.seeds
        judge = whet.Evaluate(devset=test, metric=right, num_threads=1)
        for name, one in (("as it is", program), ("GRPO", trained)):
            results[name].append([float(row.score.value) for row in judge(one).rows])
            print(f"seed {seed}, {name}: {100 * sum(results[name][-1]) / len(test):.1f} %", flush=True)
    heading = f"Right rests in % on {len(test)} test rows, learnt from rewards only."
    which = f"Model `{given.lm}`" if given.lm else "A Llama of two layers made by the script, two thirds of whose habits are wrong"
    note = f"{which}, 60 rows, {given.steps} steps of {given.rows} groups of {given.group} answers, {given.seeds} seeds."
    text = report.table(heading, results, seconds, note)
    print(text)
    if given.write:
        report.write("local-grpo", text)


if __name__ == "__main__":
    main()
