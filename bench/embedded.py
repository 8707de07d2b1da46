"""Measures the embedded model: accuracy with no demos, word hints, random and nearest demos, trained weights; and time per call.

    python bench/embedded.py /path/to/data [--rows 200] [--seeds 0,1,2]

The folder holds `banking77/`, `clinc150/`, `trec/`, `sst2/`. Accuracy is in percent on rows held out from everything the prompt shows.
The retriever for nearest demos is the reader's own text index; `vote` is its majority label without any model.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from whet.core.exchange import Request
from whet.core.messages import Message
from whet.lm.embedded import EmbeddedModel, Weights, train
from whet.lm.embedded.score import Index, Strength, best_first
from whet.lm.embedded.text import features, telling_words
from whet.lm.embedded.weights import hashed

Row = tuple[str, str]


def banking(folder: Path) -> tuple[list[Row], list[Row]]:
    """Banking77: train and test rows."""
    parts = []
    for part in ("train", "test"):
        with (folder / "banking77" / f"{part}.csv").open(encoding="utf-8") as file:
            parts.append([(row["text"], row["category"]) for row in csv.DictReader(file)])
    return parts[0], parts[1]


def clinc_travel(folder: Path) -> tuple[list[Row], list[Row]]:
    """The travel domain of CLINC150."""
    rows = json.loads((folder / "clinc150" / "data_full.json").read_text())
    kept = set(json.loads((folder / "clinc150" / "domains.json").read_text())["travel"])
    parts = [[(text, label) for text, label in rows[part] if label in kept] for part in ("train", "test")]
    return parts[0], parts[1]


def trec(folder: Path) -> tuple[list[Row], list[Row]]:
    """The six coarse classes of TREC, with their names spelled out."""
    names = {"ABBR": "abbreviation", "DESC": "description", "ENTY": "entity", "HUM": "human", "LOC": "location", "NUM": "number"}
    parts = []
    for part in ("train", "test"):
        lines = (folder / "trec" / f"TREC.{part}").read_text("latin-1").splitlines()
        parts.append([(line.partition(" ")[2], names[line.partition(":")[0]]) for line in lines if line.strip()])
    return parts[0], parts[1]


def sst2(folder: Path) -> tuple[list[Row], list[Row]]:
    """SST2 as positive or negative."""
    parts = []
    for part in ("train", "test"):
        lines = (folder / "sst2" / f"{part}.tsv").read_text().splitlines()
        parts.append([(line.rpartition("\t")[0], ("negative", "positive")[int(line[-1])]) for line in lines if line.strip()])
    return parts[0], parts[1]


def some_labels(rows: tuple[list[Row], list[Row]], labels: set[str]) -> tuple[list[Row], list[Row]]:
    """The rows of these labels only."""
    return [row for row in rows[0] if row[1] in labels], [row for row in rows[1] if row[1] in labels]


def tasks(folder: Path, seed: int) -> dict[str, tuple[list[Row], list[Row]]]:
    """All tasks by name."""
    every = banking(folder)
    labels = sorted({label for _, label in every[0]})
    chance = random.Random(seed)
    return {
        "banking77/20": some_labels(every, set(chance.sample(labels, 20))),
        "banking77/10": some_labels(every, set(chance.sample(labels, 10))),
        "clinc travel/15": clinc_travel(folder),
        "trec/6": trec(folder),
        "sst2/2": sst2(folder),
    }


def messages(labels: list[str], instruction: str, demos: list[Row], text: str) -> tuple[Message, ...]:
    """A prompt in the marker layout."""
    kind = f"Literal[{', '.join(repr(label) for label in labels)}]"
    system = (
        f"Your input fields are:\n1. `text` (str):\nYour output fields are:\n1. `label` ({kind}):\nEach turn is laid out like this.\n\n"
        f"[[ ## text ## ]]\n{{text}}\n\n[[ ## label ## ]]\n{{label}}        # note: must be one of: {'; '.join(labels)}\n\n"
        f"[[ ## completed ## ]]\n{instruction}"
    )
    turns = [Message("system", system)]
    for shown, label in demos:
        turns.append(Message("user", f"[[ ## text ## ]]\n{shown}"))
        turns.append(Message("assistant", f"[[ ## label ## ]]\n{label}\n\n[[ ## completed ## ]]\n"))
    reminder = "Answer with the field `[[ ## label ## ]]` (one of the labels), then end with `[[ ## completed ## ]]`."
    return (*turns, Message("user", f"[[ ## text ## ]]\n{text}\n\n{reminder}"))


def hints(labels: list[str], train_rows: list[Row]) -> str:
    """An instruction that ties eight words to each label: those that stand in its training rows oftener than in others, and often."""
    spread: Counter[str] = Counter()
    own: dict[str, Counter[str]] = {label: Counter() for label in labels}
    size = Counter(label for _, label in train_rows)
    for text, label in train_rows:
        found = set(telling_words(text))
        spread.update(found)
        own[label].update(found)
    lines = []
    for label in labels:
        share = size[label] / len(train_rows)
        worth = {word: count * math.log(count / (share * spread[word])) for word, count in own[label].items()}
        lines.append(f"- `{label}`: {', '.join(sorted(worth, key=lambda word: -worth[word])[:8])}")
    return "Say what the text is about.\n" + "\n".join(lines)


def answered(model: EmbeddedModel, prompt: tuple[Message, ...]) -> str:
    """The label in the answer."""
    return model.respond(Request(messages=prompt)).text.removeprefix("[[ ## label ## ]]\n").partition("\n")[0]


def measure(rows: tuple[list[Row], list[Row]], count: int, seed: int) -> dict[str, float]:
    """Accuracy in percent for each way of prompting, on `count` test rows."""
    chance = random.Random(seed)
    shown, test = rows[0], chance.sample(rows[1], min(count, len(rows[1])))
    pool = chance.sample(shown, min(2000, len(shown)))
    labels = sorted({label for _, label in shown})
    plain, told = "Say what the text is about.", hints(labels, shown)
    index = Index([features(text) for text, _ in pool])
    near = {text: [pool[place] for place in best_first(index.cosines(features(text)))[:10]] for text, _ in test}
    demos = chance.sample(pool, 40)
    learnt = [_row(labels, plain, row) for row in chance.sample(shown, min(640, len(shown)))]
    fitted = train(learnt)
    nothing = Strength(name=0, hint=0, demo=0, stated=0, doubt=0)
    plainly = train(learnt, strength=nothing)
    model, tuned = EmbeddedModel(), EmbeddedModel(fitted)
    ways: dict[str, Any] = {
        "none": lambda text: answered(model, messages(labels, plain, [], text)),
        "hints": lambda text: answered(model, messages(labels, told, [], text)),
        "20 random": lambda text: answered(model, messages(labels, plain, demos[:20], text)),
        "40 random": lambda text: answered(model, messages(labels, plain, demos, text)),
        "10 nearest": lambda text: answered(model, messages(labels, plain, near[text], text)),
        "vote": lambda text: Counter(label for _, label in near[text]).most_common(1)[0][0],
        "weights 640": lambda text: answered(tuned, messages(labels, plain, [], text)),
        "logistic 640": lambda text: logistic(plainly, labels, text),
    }
    return {name: 100 * sum(way(text) == label for text, label in test) / len(test) for name, way in ways.items()}


def logistic(weights: Weights, labels: list[str], text: str) -> str:
    """The answer of plain logistic regression on the same features and rows, without the reader."""
    scores = [0.0] * len(labels)
    weights.add_to(scores, "label", tuple(labels), hashed(features(text)))
    return labels[best_first(scores)[0]]


def _row(labels: list[str], instruction: str, row: Row) -> dict[str, Any]:
    turns = messages(labels, instruction, [], row[0])
    chat = [{"role": turn.role, "content": turn.text} for turn in turns]
    return {"messages": [*chat, {"role": "assistant", "content": f"[[ ## label ## ]]\n{row[1]}\n\n[[ ## completed ## ]]\n"}]}


def microseconds(rows: tuple[list[Row], list[Row]], weights: Weights | None = None) -> dict[str, float]:
    """CPU microseconds per call with 16 demos: the same for all queries (warm), others for each (changing), a new model for each (cold)."""
    labels = sorted({label for _, label in rows[0]})
    chance = random.Random(0)
    fixed = chance.sample(rows[0], 16)
    queries = [text for text, _ in chance.sample(rows[1], 200)]
    warm = [Request(messages=messages(labels, "Say what it is.", fixed, text)) for text in queries]
    changing = [Request(messages=messages(labels, "Say what it is.", chance.sample(rows[0], 16), text)) for text in queries]
    model = EmbeddedModel(weights)
    timed = {"warm": _timed(model, warm), "changing": _timed(model, changing)}
    return {**timed, "cold": sum(_timed(EmbeddedModel(weights), [request]) for request in changing) / len(changing)}


def _timed(model: EmbeddedModel, requests: list[Request]) -> float:
    start = time.process_time()
    for request in requests:
        model.respond(request)
    return 1e6 * (time.process_time() - start) / len(requests)


def main() -> None:
    """Prints a markdown table and the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seeds", default="0")
    chosen = parser.parse_args()
    seeds = [int(seed) for seed in chosen.seeds.split(",")]
    found: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        for name, rows in tasks(chosen.data, seed).items():
            found.setdefault(name, []).append(measure(rows, chosen.rows, seed))
    head = list(next(iter(found.values()))[0])
    lines = [f"| task | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for name, runs in found.items():
        lines.append(f"| {name} | {' | '.join(f'{sum(run[way] for run in runs) / len(runs):.1f}' for way in head)} |")
    times = microseconds(tasks(chosen.data, 0)["banking77/20"])
    spent = ", ".join(f"{way} {value:.0f}" for way, value in times.items())
    lines.append(f"\n{chosen.rows} test rows, seeds {seeds}. CPU us per call, 16 demos: {spent}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
