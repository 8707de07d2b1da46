"""A language model of this machine learns from rewards: what colour is a thing? The program checks the answer, and no label is trained on.

    python examples/weights/local_grpo.py                           # a tiny model that is made here, three seeds; needs the extra `train`
    python examples/weights/local_grpo.py --lm local:/models/smollm # any model in transformers' format, on a GPU where there is one

The tiny model is a Llama of two layers with random weights. It is first taught to answer in form, with habits of which half are wrong: it
says the wrong colour of every second thing three times in five. Test rows are pairs of a thing and a place that no training row has.
Its settings were chosen on other things, places and seeds (red: blood, rose, fire, brick; blue: sea, sky, ink, whale; green: grass, leaf,
frog, moss; in the attic, the barn and so on; seeds 0 to 2), and have been left as they are since these were put here.
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
from whet.train import TrainConfig, as_data, trainer_of

THINGS = {"red": "cherry ruby lava poppy", "blue": "sapphire denim cobalt bluebell", "green": "fern emerald cactus pea"}
COLOUR = {thing: colour for colour, things in THINGS.items() for thing in things.split()}
PLACES = "bridge cabin dock forge hostel inn loft mill office porch shed tower".split()
FIRST_SEED = 10
SIGNATURE = whet.Signature("thing, place -> colour").with_updated_fields("colour", type_=Literal[tuple(THINGS)])
ADAPTER = whet.ChatAdapter()


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    """The reward: 1 for the right colour, else 0."""
    return bool(COLOUR[example.thing] == prediction.colour)


def chat(thing: str, place: str, colour: str) -> dict[str, Any]:
    """One question and an answer to it, as the program would ask and be answered."""
    row: dict[str, Any] = ADAPTER.format_finetune_data(SIGNATURE, [], {"thing": thing, "place": place}, {"colour": colour})
    return row


def checkpoint(folder: Path, seed: int) -> Path:
    """A Llama of random weights and a tokenizer that knows each line of these prompts and answers as one token."""
    import torch  # noqa: PLC0415 - a gigabyte, and only this model needs it here
    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415 - comes with torch's
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: PLC0415 - comes with torch's

    chats = [chat(thing, place, colour) for thing in COLOUR for place in PLACES for colour in THINGS]
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


def habit(thing: str) -> list[str]:
    """How the tiny model was taught to answer: three times in five the one colour, twice the other."""
    colours = list(THINGS)
    good = COLOUR[thing]
    bad = colours[(colours.index(good) + 1) % len(colours)]
    first, second = (bad, good) if list(COLOUR).index(thing) % 2 else (good, bad)
    return [first] * 3 + [second] * 2


def taught(pairs: list[tuple[str, str]], seed: int) -> Any:
    """The tiny model with its habits."""
    lm = whet.LM(f"local:{checkpoint(Path(tempfile.mkdtemp()), seed)}", cache=False, max_tokens=16)
    rows = as_data([chat(thing, place, colour) for thing, place in pairs for colour in habit(thing)])
    options = {"epochs": 8, "learning_rate": 0.003, "batch_size": 16, "lora": False}
    return trainer_of(lm).train(rows, TrainConfig(lm=lm, options=options, seed=seed, name="habits")).result()


def recipe(given: argparse.Namespace, seed: int) -> Any:
    """GRPO; the tiny model has no use for LoRA and bears great steps."""
    tiny = {"epochs": 3, "learning_rate": 0.002, "batch_size": 16, "beta": 0.01, "lora": False}
    options = {} if given.lm else tiny
    sizes = {"num_train_steps": given.steps, "rows_per_step": given.rows, "group_size": given.group}
    return whet.GRPO(right, **sizes, train_kwargs=options, seed=seed, num_threads=1 if not given.lm else 8)


def main() -> None:
    """Measure, print, and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lm", help="a model such as local:/models/smollm; without it a tiny one is made")
    options.add_argument("--steps", type=int, default=4)
    options.add_argument("--rows", type=int, default=40)
    options.add_argument("--group", type=int, default=4)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--write", action="store_true", help="put the table into docs/weights.md")
    given = options.parse_args()
    report.own_home()
    results: dict[str, list[list[float]]] = {"as it is": [], "GRPO": []}
    seconds = {"as it is": 0.0, "GRPO": 0.0}
    for seed in range(FIRST_SEED, FIRST_SEED + given.seeds):
        pairs = random.Random(seed).sample(list(itertools.product(COLOUR, PLACES)), len(COLOUR) * len(PLACES))
        program = whet.Predict(SIGNATURE)
        program.lm = whet.LM(given.lm, cache=False) if given.lm else taught(pairs[:80], seed)
        train, dev, test = (
            [whet.Example(thing=thing, place=place).with_inputs("thing", "place") for thing, place in some]
            for some in (pairs[:80], pairs[80:92], pairs[92:])
        )
        clock = report.Clock()
        trained = recipe(given, seed).compile(program, trainset=train, valset=dev)
        seconds["GRPO"] += clock() / given.seeds
        judge = whet.Evaluate(devset=test, metric=right, num_threads=1)
        for name, one in (("as it is", program), ("GRPO", trained)):
            results[name].append([float(row.score.value) for row in judge(one).rows])
            print(f"seed {seed}, {name}: {100 * sum(results[name][-1]) / len(test):.1f} %", flush=True)
    heading = f"Right colours in % on {len(results['GRPO'][0])} test rows, learnt from rewards only."
    which = f"Model `{given.lm}`" if given.lm else "A Llama of two layers made by the script, half of whose habits are wrong"
    note = f"{which}, 80 rows, {given.steps} steps of {given.rows} groups of {given.group} answers, {given.seeds} seeds."
    text = report.table(heading, results, seconds, note)
    print(text)
    if given.write:
        report.write("local-grpo", text)


if __name__ == "__main__":
    main()
