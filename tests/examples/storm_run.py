"""A program of its own that writes one article, notes every answer of a model in a file, and may kill itself in the middle."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

from research.storm import Storm, retriever

import whet
from examples.actor import Actor, Asked
from whet.core.exchange import Request, Response

TOPIC = "The town of Merrowby"


def write_section(asked: Asked) -> str:
    """Copies a sentence of each source that it is shown, and cites it."""
    texts = [source.split(" | ", 1) for source in asked.items("sources")]
    return " ".join(f"{text.split('. ')[0].rstrip('.')} {head.split(' ')[0]}." for head, text in texts)


INTERESTS = {"traveller": "castle river", "historian": "castle built", "merchant": "firm workshop"}
SKILLS = {
    "perspectives": lambda a: ["a traveller", "a historian", "a merchant"],
    "question": lambda a: f"What would {a.perspective} want to know, number {len(a.items('said')) // 2 + 1}?",
    "queries": lambda a: [
        "Merrowby",
        {"a t": "castle river", "a h": "castle built", "a m": "firm workshop"}[a.question.split("would ")[1][:3]],
    ],
    "answer": lambda a: f"It is told in {len(a.items('sources'))} places.",
    "outline": lambda a: ["History", "Economy"],
    "headings": lambda a: [*a.items("outline"), "Castles", "People"],
    "section": write_section,
    "lead": lambda a: "Merrowby is a town.",
}


class Noted(Actor):
    """Writes down what it answered; at answer `last` it dies with the whole process, as a machine does that loses its power."""

    def __init__(self, log: Path, last: int, model: str) -> None:
        super().__init__(SKILLS, model=model, cache=True)
        self.log, self.until, self.lock = log, last, threading.Lock()
        self.inside = self.most = 0

    def complete(self, request: Request) -> Response:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.05)
        with self.lock:
            if self.until and len(self.log.read_text().splitlines()) >= self.until:
                time.sleep(0.2)  # what was answered before is on its way to the disk
                os.kill(os.getpid(), signal.SIGKILL)
            response = super().complete(request)
            with self.log.open("a") as file:
                file.write(f"{self.model} {sha256(repr(request.messages).encode()).hexdigest()[:12]}\n")
        self.inside -= 1
        return response


def article(log: Path, last: int = 0) -> whet.Prediction:
    log.touch()
    talker, writer = Noted(log, last, "talker"), Noted(log, last, "writer")
    writer.lock = talker.lock
    with whet.context(rm=retriever()):
        made = Storm(talker, writer)(topic=TOPIC)
    made.models = (talker, writer)
    return made


if __name__ == "__main__":
    article(Path(sys.argv[1]), int(sys.argv[2]))
    print("done")
