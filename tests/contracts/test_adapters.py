"""Our own formats keep the contract that `whet.testing.AdapterContract` asks of everybody's."""

from __future__ import annotations

from typing import Any

import pytest

import whet
from whet.testing import AdapterContract


class TestChat(AdapterContract):
    def make_adapter(self) -> Any:
        return whet.ChatAdapter()


class TestChatInOtherWords(AdapterContract):
    def make_adapter(self) -> Any:
        return whet.ChatAdapter(marker="### {name}", demos="system", reminder="")


class TestJSON(AdapterContract):
    def make_adapter(self) -> Any:
        return whet.JSONAdapter()


class TestXML(AdapterContract):
    def make_adapter(self) -> Any:
        return whet.XMLAdapter()


class TestBAML(AdapterContract):
    def make_adapter(self) -> Any:
        return whet.BAMLAdapter()


class TestTemplate(AdapterContract):
    def make_adapter(self) -> Any:
        return whet.TemplateAdapter(
            write=lambda texts: "\n---\n".join(f"{name} = {text}" for name, text in texts.items()),
            read=lambda answer: dict(part.split(" = ", 1) for part in answer.split("\n---\n") if " = " in part),
            system="{instructions}\n{inputs}\n{outputs}\nAnswer in this form:\n{structure}",
        )


class Careless(whet.ChatAdapter):
    """Keeps the demos that it saw, and reads whatever it gets as a value."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def render(self, signature: Any, inputs: Any, demos: Any = ()) -> Any:
        self.seen += demos
        return super().render(signature, inputs, self.seen)

    def parse(self, signature: Any, completion: Any) -> Any:
        return dict.fromkeys(signature.output_fields, completion)


def test_a_careless_adapter_is_caught() -> None:
    class TestCareless(AdapterContract):
        def make_adapter(self) -> Any:
            return Careless()

    for broken in ("test_what_it_writes_it_reads", "test_rendering_is_pure", "test_a_prediction_takes_one_call"):
        with pytest.raises(AssertionError):
            getattr(TestCareless(), broken)()
