"""A topic, and a model that asks by perspective, plans, outlines, and copies a sentence of each source that it is shown, and cites it."""

from __future__ import annotations

from scripted.actor import Asked

TOPIC = "The town of Merrowby"


def write_section(asked: Asked) -> str:
    """Copies a sentence of each source that it is shown, and cites it."""
    texts = [source.split(" | ", 1) for source in asked.items("sources")]
    return " ".join(f"{text.split('. ')[0].rstrip('.')} {head.split(' ')[0]}." for head, text in texts)


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
