"""A customer-service agent: it looks things up by itself, and asks before it does what cannot be undone.

python examples/agents/customer_service.py [--model provider/name] [--ask]

Without a model a small script plays its part, so that no key is needed. With --ask you approve the refunds, otherwise those up to 50.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

import whet
from whet.testing import ScriptedLM


@dataclass
class Order:
    """What the shop knows of an order."""

    number: int
    item: str
    paid: float
    delivered: bool


ORDERS = {17: Order(17, "a teapot", 35.0, delivered=False), 18: Order(18, "a bicycle", 480.0, delivered=True)}
REFUNDED: list[int] = []


def find_order(number: int) -> Order:
    """Look an order up by its number."""
    if number not in ORDERS:
        raise LookupError(f"there is no order {number}; known: {sorted(ORDERS)}")
    return ORDERS[number]


def refund(number: int, reason: str) -> str:
    """Pay an order back."""
    REFUNDED.append(number)
    return f"{ORDERS[number].paid:.2f} paid back for {ORDERS[number].item}"


class Help(whet.Signature):
    """You work for a shop. Help the customer; be friendly and brief. Pay back only what was paid and not delivered."""

    message: str = whet.InputField(desc="what the customer writes", trusted=False)
    reply: str = whet.OutputField(desc="the answer to the customer")
    solved: bool = whet.OutputField()


def approval(ask: bool) -> Any:
    """Who decides about refunds."""

    def approve(tool: whet.Tool, arguments: dict[str, Any]) -> bool | str:
        order = ORDERS.get(arguments["number"])
        if ask:
            return input(f"{tool.name} {arguments}? [y/N] ").strip().lower() == "y"
        return True if order is not None and order.paid <= 50 else "a person has to decide about more than 50"

    return approve


def main() -> None:
    """Two customers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model")
    parser.add_argument("--ask", action="store_true")
    arguments = parser.parse_args()
    lm = whet.LM(arguments.model) if arguments.model else scripted()
    whet.configure(lm=lm, approve_tools=approval(arguments.ask))

    agent = whet.ReAct(Help, tools=[find_order, whet.Tool(refund, side_effects=True)])
    for message in ("Order 17 never came. Can I have my money back?", "I want my money back for order 18!"):
        result = agent(message=message)
        print(f"Customer: {message}\nAgent:    {result.reply}")
        for i in range(sum(key.startswith("tool_name") for key in result.trajectory)):
            print(f"          {result.trajectory[f'tool_name_{i}']} {result.trajectory[f'tool_args_{i}']}")
            print(f"            -> {result.trajectory[f'observation_{i}']}")
        print()
    print(f"Paid back: {REFUNDED}")


def scripted() -> ScriptedLM:
    """What a model might do: look the order up, try the refund, report how it went."""

    def answer(request: whet.Request) -> whet.ResponseChoice:
        number = 17 if "17" in request.messages[1].text else 18
        results = [m.text for m in request.messages if m.role == "tool"]
        if not results:
            return calls("Let me look.", "find_order", number=number)
        if len(results) == 1:
            return calls("They ask for a refund.", "refund", number=number, reason="customer asks")
        if "not approved" in results[1]:
            return calls(
                "A person decides.", "finish", reply="I have passed your wish on to a colleague, who will write to you.", solved=False
            )
        return calls("Done.", "finish", reply=f"I am sorry! {results[1]}.", solved=True)

    return ScriptedLM(answer, capabilities=whet.Capabilities(tools=True))


def calls(thought: str, name: str, **arguments: Any) -> whet.ResponseChoice:
    """An answer that calls a tool."""
    return whet.ResponseChoice(text=thought, tool_calls=(whet.ToolCallPart(id=f"{name}-1", name=name, arguments=json.dumps(arguments)),))


if __name__ == "__main__":
    main()
