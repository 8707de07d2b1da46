"""A question about a table that is far too long for a prompt, answered by a model that explores it with code in a sandbox.

python examples/agents/data_question.py [--model provider/name]

Without a model a small script plays its part, so that no key is needed.
"""

from __future__ import annotations

import argparse
import random

import whet
from whet.testing import ScriptedLM


class Question(whet.Signature):
    """Answer the question from the sales, a CSV text."""

    sales: str = whet.InputField(desc="city,month,amount per line")
    question: str = whet.InputField()
    city: str = whet.OutputField()
    total: int = whet.OutputField(ge=0)


def table(rows: int = 20_000) -> str:
    """Made-up sales, the same every time."""
    chance = random.Random(7)
    cities = ["Lima", "Oslo", "Pune", "Quito", "Rome"]
    lines = [f"{chance.choice(cities)},{chance.randint(1, 12)},{chance.randint(1, 900)}" for _ in range(rows)]
    return "\n".join(["city,month,amount", *lines])


def main() -> None:
    """Ask, and show the session."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model")
    arguments = parser.parse_args()
    whet.configure(lm=whet.LM(arguments.model) if arguments.model else scripted())

    sales = table()
    explore = whet.RLM(Question, max_iters=8)
    result = explore(sales=sales, question="Which city sold most in March, and how much?")

    print(f"{len(sales):,} characters of data; the longest prompt had {longest():,}.\n")
    for turn in result.trajectory:
        print(f"# {turn['reasoning']}\n{turn['code']}\n-> {turn['output'].strip()}\n")
    print(f"{result.city}: {result.total}   ({result.stop_reason})")


def longest() -> int:
    """Characters in the longest prompt that was sent."""
    return max(sum(len(message.text) for message in call.request.messages) for call in whet.settings.history)


def scripted() -> ScriptedLM:
    """What a model might write, a mistake included."""
    return ScriptedLM(
        [
            {"reasoning": "See what the lines look like.", "code": "lines = sales.split('\\n')\nprint(len(lines), lines[:3])"},
            {
                "reasoning": "Add up March.",
                "code": "totals = {}\nfor line in lines:\n    city, month, amount = line.split(',')\n    totals[city] += int(amount)",
            },
            {
                "reasoning": "Skip the heading, take March only, begin at 0.",
                "code": "totals = {}\nfor line in lines[1:]:\n    city, month, amount = line.split(',')\n    if month == '3':\n"
                "        totals[city] = totals.get(city, 0) + int(amount)\nprint(totals)",
            },
            {
                "reasoning": "Hand over the largest.",
                "code": "best = max(totals, key=lambda city: totals[city])\nSUBMIT(city=best, total=totals[best])",
            },
        ]
    )


if __name__ == "__main__":
    main()
