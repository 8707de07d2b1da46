"""An agent with a calculator, run by the model that comes with whet; no key needed.

python examples/agents/calculator_agent.py ["a question"] [--model provider/name]
"""

from __future__ import annotations

import argparse

import whet


def calculate(expression: str) -> float:
    """Work out an arithmetic expression.

    Args:
        expression: numbers, + - * / ** and parentheses
    """
    with whet.PythonInterpreter() as interpreter:
        return interpreter.execute(expression.replace("^", "**"))


def main() -> None:
    """Ask the agent and show what it did."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("question", nargs="?", default="How much is (17 + 25) * 3?")
    parser.add_argument("--model", default="embedded")
    arguments = parser.parse_args()
    whet.configure(lm=whet.LM(arguments.model))

    agent = whet.ReAct("question -> answer: float", tools=[calculate])
    with whet.watch() as seen:
        result = agent(question=arguments.question)

    print(f"{arguments.question}\n= {result.answer:g}   ({result.stop_reason}, {len(whet.settings.history)} model calls)\n")
    print(seen)


if __name__ == "__main__":
    main()
