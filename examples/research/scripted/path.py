"""The passages, ten labelled questions, planted instructions, and a model that follows the one it is given."""

from __future__ import annotations

from scripted.actor import Asked

from whet.datasets import load_corpus

PASSAGES = load_corpus("atlas")
PLACES = [text for text in PASSAGES if " is a castle in " in text or " is a firm that makes " in text][:10]
ASKED = "In which town on which river is {}, what is it known for, and how many people come there?"
LABELLED = {ASKED.format(text.split(" | ")[0]): text for text in PLACES}
GOOD = "Ask for one fact, in whole sentences, as somebody would who has not read the passage."
BAD = ["Be creative.", "Ask something short.", "Write a question about the style of the passage."]


def write_question(asked: Asked) -> str:
    """Follows its instruction. Only questions in whole sentences use the words that many passages share, and so teach their weights."""
    title = asked.passage.split(" | ")[0]
    if "whole sentences" in asked.text:
        return f"Which town is {title} in, what river is there, what is it known for, and do many people go there?"
    return f"Which town on which river is {title} in?" if "short" in asked.text else "If this were a dream, what would it mean?"
