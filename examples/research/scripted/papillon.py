"""Private queries, a model that rewrites them as its instruction says, one that proposes instructions, and the outsider."""

from __future__ import annotations

import re
from random import Random

from scripted.actor import Actor, Asked

import whet
from whet.testing import ScriptedLM

TOPICS = "gout taxes wills visas mortgages divorce probation asthma allergies bankruptcy dismissal custody".split()
NAMES = "Ada Bruno Clara Dario Edith Felix Greta Hugo Irma Jonas Karin Lukas".split()


def query(place: int) -> whet.Example:
    name, topic = NAMES[place], TOPICS[place]
    mail = f"{name.lower()}@example.org"
    text = f"I am {name}, write to me at {mail}. Explain {topic} to me."
    return whet.Example(private_query=text, personal=[name, mail], fact=f"all about {topic}").with_inputs("private_query")


ROWS = [query(place) for place in range(12)]
GOOD, MUTE = "Keep the topic; leave out whoever asks.", "Say nothing at all about the query."
POLITE = "Be polite to the other model."


def rewrite(asked: Asked) -> str:
    """Passes the query on, unless its instruction (or what was wrong with the last prompt) says otherwise."""
    if asked.inputs.get("feedback") or GOOD in asked.text:
        return f"Explain {asked.private_query.split('Explain ')[1].split(' ')[0]}."
    return "Hello." if MUTE in asked.text else asked.private_query


def propose(asked: Asked) -> str:
    """One of three ideas at random, of those that its prompt does not show as tried."""
    return Random(asked.rollout).choice([idea for idea in (GOOD, MUTE, POLITE) if idea not in asked.text])


def trusted() -> Actor:
    return Actor({"prompt": rewrite, "response": lambda a: a.their_answer})


def outsider() -> ScriptedLM:
    def answer(request: object) -> str:
        topic = re.search(r"Explain (\w+)", request.messages[-1].text)  # type: ignore[attr-defined]
        return f"Here is all about {topic[1]}." if topic else "How can I help?"

    return ScriptedLM(answer, model="untrusted")
