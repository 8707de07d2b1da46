"""The contract that every adapter keeps: subclass `AdapterContract` in your tests and pytest runs it against your format."""

from __future__ import annotations

from typing import Any, Final, Literal

from whet.core.context import context
from whet.core.field import InputField, OutputField
from whet.core.signature import Signature
from whet.errors import AdapterParseError
from whet.modules.predict import Predict
from whet.testing.scripted import ScriptedLM

__all__ = ["AdapterContract"]

INPUTS: Final[dict[str, Any]] = {"question": "How high is the tower?", "notes": ["It is 12 m high.", "Built in 1890."]}
VALUES: Final[dict[str, Any]] = {
    "answer": "Twelve metres.\nOr so.",
    "metres": 12.5,
    "sure": True,
    "kind": "height",
    "seen": ["tower", "bridge"],
}
DEMO: Final[dict[str, Any]] = {"question": "How long is the bridge?", "notes": [], **VALUES, "answer": "Three hundred metres."}
HOSTILE: Final = (
    "",
    " ",
    "I cannot say.",
    "{",
    '{"answer": ',
    "<answer>",
    "[[ ## answer ## ]]",
    "```json\n{}\n```",
    "[1, 2",
    "answer: \x00",
    "ä" * 2000,
)


class AdapterContract:
    """Give `make_adapter`, which returns a fresh adapter; every test is instant and asks no model.

    `make_signature` may be overridden by formats that cannot hold its five outputs (text, number, truth, choice, list).

    >>> import whet
    >>> class TestMarks(AdapterContract):
    ...     def make_adapter(self):
    ...         return whet.ChatAdapter(marker="### {name}")
    >>> TestMarks().test_what_it_writes_it_reads()  # pytest runs this one and all others
    """

    def make_adapter(self) -> Any:
        """A new adapter."""
        raise NotImplementedError

    def make_signature(self) -> Signature:
        """The step that is rendered and read."""
        outputs: dict[str, Any] = {
            "answer": (str, OutputField()),
            "metres": (float, OutputField()),
            "sure": (bool, OutputField()),
            "kind": (Literal["height", "length"], OutputField()),
            "seen": (list[str], OutputField()),
        }
        return Signature({"question": (str, InputField()), "notes": (list[str], InputField()), **outputs}, "Answer from the notes.")

    def test_what_it_writes_it_reads(self) -> None:
        """The answer that it would show in a demo gives the same values back."""
        adapter, signature = self.make_adapter(), self.make_signature()
        values = _wanted(signature)
        assert adapter.parse(signature, adapter.format_assistant_message_content(signature, values)) == values

    def test_rendering_is_pure(self) -> None:
        """The same messages each time and from each adapter, and the arguments stay as they are."""
        adapter, signature, inputs, demo = self.make_adapter(), self.make_signature(), {**INPUTS, "notes": [*INPUTS["notes"]]}, dict(DEMO)
        first = adapter.render(signature, inputs, [demo])
        assert adapter.render(signature, inputs, [demo]) == first == self.make_adapter().render(signature, inputs, [demo])
        assert (inputs, demo) == (INPUTS, DEMO)

    def test_the_prompt_says_what_is_given_and_what_is_wanted(self) -> None:
        """The instructions, every value of an input, every name of an output; the user speaks last."""
        signature = self.make_signature()
        messages = self.make_adapter().render(signature, INPUTS)
        text = "\n".join(message.text for message in messages)
        wanted = [signature.instructions, INPUTS["question"], *INPUTS["notes"], *signature.output_fields]
        assert [part for part in wanted if part not in text] == []
        assert messages[-1].role == "user"

    def test_a_demo_stands_before_the_request(self) -> None:
        """With what was asked and what was answered, each once."""
        signature = self.make_signature()
        text = "\n".join(message.text for message in self.make_adapter().render(signature, INPUTS, [DEMO]))
        places = [text.index(part) for part in (DEMO["question"], DEMO["answer"], INPUTS["question"])]
        assert places == sorted(places) and text.count(DEMO["answer"]) == 1

    def test_an_answer_is_read_or_it_is_a_parse_error(self) -> None:
        """Whatever a model writes; the error holds what it wrote, and later answers are read as before."""
        adapter, signature = self.make_adapter(), self.make_signature()
        whole = adapter.format_assistant_message_content(signature, _wanted(signature))
        for text in (*HOSTILE, *(whole[:end] for end in range(0, len(whole), 7))):
            try:
                assert set(adapter.parse(signature, text)) == set(signature.output_fields)
            except AdapterParseError as error:
                assert error.adapter_name and error.lm_response == text
        assert adapter.parse(signature, whole) == _wanted(signature)

    def test_a_prediction_takes_one_call(self) -> None:
        """`Predict` asks once and gives the typed values."""
        adapter, signature = self.make_adapter(), self.make_signature()
        values = _wanted(signature)
        lm = ScriptedLM([adapter.format_assistant_message_content(signature, values)])
        with context(lm=lm, adapter=adapter):
            prediction = Predict(signature)(**INPUTS)
        assert dict(prediction) == values and lm.calls == 1


def _wanted(signature: Signature) -> dict[str, Any]:
    return {name: VALUES[name] for name in signature.output_fields}
