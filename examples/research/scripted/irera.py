"""500 labels, the texts, a strong model that knows the catalogue's words, and a cheap one that repeats the text until demos show them."""

from __future__ import annotations

from scripted.actor import Actor, Asked

import whet

VERBS = {
    "repair": "fix", "operate": "run", "inspect": "look over", "install": "put in", "clean": "wash", "paint": "colour", "sell": "trade",
    "design": "draw up", "test": "try out", "price": "value", "ship": "send off", "store": "keep", "weigh": "put on the scales",
    "cut": "slice", "join": "put together", "label": "tag", "count": "tally", "polish": "shine", "load": "fill", "measure": "gauge",
    "calibrate": "tune", "dismantle": "take apart", "document": "write up", "lubricate": "grease", "purchase": "buy",
}  # fmt: skip
NOUNS = (
    "pumps looms ovens cranes lathes boilers turbines valves trams ferries "
    "organs clocks kilns presses scales lenses drones motors sails anvils"
).split()
LABELS = [f"{verb} {noun}" for verb in VERBS for noun in NOUNS]


def job(place: int) -> whet.Example:
    gold = [LABELS[(place * 37 + 11) % 500], LABELS[(place * 101 + 250) % 500]]
    said = " and ".join(f"{VERBS[label.split()[0]]} some {label.split()[1]}" for label in gold)
    return whet.Example(text=f"We want somebody who can {said}.", skills=gold).with_inputs("text")


ROWS = [job(place) for place in range(32)]
TRAIN, TEST = ROWS[:12], ROWS[12:]
GOLD = {row.text: row.skills for row in ROWS}


def infer(asked: Asked, strong: bool) -> list[str]:
    """The strong model knows the catalogue's words; the cheap one repeats the text until demos show them."""
    return GOLD[asked.inputs["text"]] if strong or any(demo["queries"].count(",") == 1 for demo in asked.demos) else [asked.inputs["text"]]


def rank(asked: Asked) -> list[str]:
    """Without demos it does not see that the order matters; with them it puts what fits best first. It never sees more than its options."""
    options = asked.items("options")
    return sorted(options, key=lambda label: label not in GOLD[asked.inputs["text"]]) if asked.demos or asked.lucky(0.5) else options[::-1]


def models() -> tuple[Actor, Actor]:
    cheap = Actor({"queries": lambda a: infer(a, strong=False)}, model="cheap")
    strong = Actor({"queries": lambda a: infer(a, strong=True), "best": rank}, model="strong")
    return cheap, strong
