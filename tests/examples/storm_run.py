"""A program of its own that writes one article, notes every answer of a model in a file, and may kill itself in the middle."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "research"))

from research.storm import Storm, retriever
from scripted.actor import Actor
from scripted.storm import SKILLS, TOPIC

import whet
from whet.core.exchange import Request, Response


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
