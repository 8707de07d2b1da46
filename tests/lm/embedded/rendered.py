"""Prompts in the three layouts, written out by hand so that these tests need no adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from whet.core.exchange import Request
from whet.core.messages import Message

Output = tuple[str, str, str]  # name, type, note


def lists(inputs: Sequence[str], outputs: Sequence[Output]) -> str:
    """The two numbered lists."""
    given = "\n".join(f"{number}. `{name}` (str): " for number, name in enumerate(inputs, 1))
    made = "\n".join(f"{number}. `{name}` ({kind}): " for number, (name, kind, _) in enumerate(outputs, 1))
    return f"Given:\n{given}\nWanted:\n{made}"


def chat(
    outputs: Sequence[Output],
    values: Mapping[str, str],
    instruction: str = "Do it.",
    demos: Sequence[tuple[Mapping[str, str], Mapping[str, str]]] = (),
) -> tuple[Message, ...]:
    """The marker layout."""
    blocks = [f"[[ ## {name} ## ]]\n{{{name}}}" for name in values]
    blocks += [f"[[ ## {name} ## ]]\n{{{name}}}        # {note}" for name, _, note in outputs]
    structure = "\n\n".join([*blocks, "[[ ## completed ## ]]"])
    system = f"{lists(list(values), outputs)}\nLaid out so:\n\n{structure}\n\nTask:\n{instruction}"
    turns = [Message("system", system)]
    for given, made in demos:
        turns.append(Message("user", "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in given.items())))
        answer = "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in made.items())
        turns.append(Message("assistant", f"{answer}\n\n[[ ## completed ## ]]\n"))
    names = ", then ".join(f"`[[ ## {name} ## ]]`" for name, _, _ in outputs)
    query = "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in values.items())
    return (*turns, Message("user", f"{query}\n\nWrite {names}, and close with `[[ ## completed ## ]]`."))


def as_json(outputs: Sequence[Output], values: Mapping[str, str], instruction: str = "Do it.") -> tuple[Message, ...]:
    """The JSON layout."""
    blocks = "\n\n".join(f"[[ ## {name} ## ]]\n{{{name}}}" for name in values)
    form = json.dumps({name: f"{{{name}}}        # {note}" for name, _, note in outputs}, indent=2)
    system = f"{lists(list(values), outputs)}\nA request:\n\n{blocks}\n\nThe answer is an object:\n\n{form}\n\nTask:\n{instruction}"
    query = "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in values.items())
    names = ", then ".join(f"`{name}`" for name, _, _ in outputs)
    return Message("system", system), Message("user", f"{query}\n\nAnswer with a JSON object with {names}.")


def as_xml(outputs: Sequence[Output], values: Mapping[str, str], instruction: str = "Do it.") -> tuple[Message, ...]:
    """The XML layout."""
    blocks = [f"<{name}>\n{{{name}}}\n</{name}>" for name in values]
    blocks += [f"<{name}>\n{{{name}}}        # {note}\n</{name}>" for name, _, note in outputs]
    system = f"{lists(list(values), outputs)}\nLaid out so:\n\n" + "\n\n".join(blocks) + f"\n\nTask:\n{instruction}"
    query = "\n\n".join(f"<{name}>\n{text}\n</{name}>" for name, text in values.items())
    names = ", then ".join(f"`<{name}>`" for name, _, _ in outputs)
    return Message("system", system), Message("user", f"{query}\n\nWrap the outputs in {names}.")


def asking(messages: tuple[Message, ...], **options: Any) -> Request:
    """A request with these options."""
    known = {name: options.pop(name) for name in ("n", "rollout_id", "tools", "tool_choice", "response_schema") if name in options}
    return Request(messages=messages, options=options, **known)
