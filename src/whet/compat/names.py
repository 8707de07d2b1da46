"""Old names for things that are called otherwise now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, Final, TypeVar

from whet.core.context import current
from whet.core.schema import schema_of
from whet.core.signature import Signature
from whet.errors import WhetError
from whet.lm.inspect import print_history
from whet.modules.module import Module

__all__ = [
    "GLOBAL_HISTORY",
    "BaseModule",
    "DSPyError",
    "SignatureMeta",
    "TrainDataFormat",
    "deduplicate",
    "format_field_value",
    "get_dspy_field_type",
    "inspect_history",
    "parse_value",
]

T = TypeVar("T")
BaseModule = Module
DSPyError = WhetError
# Programs ask `isinstance(x, SignatureMeta)` to know a signature.
SignatureMeta = Signature


def inspect_history(n: int = 1, file: Any = None) -> None:
    """Print the last `n` model calls of this process; to `file` without colours.

    >>> import io, whet.testing
    >>> with whet.context(lm=whet.testing.ScriptedLM([{"answer": "4"}])):
    ...     _ = whet.Predict("question -> answer")(question="2+2?")
    >>> text = io.StringIO()
    >>> inspect_history(file=text)
    >>> "2+2?" in text.getvalue()
    True
    """
    print_history(current().history, n, file)


def deduplicate(values: Iterable[T]) -> list[T]:
    """The values in their order, each once.

    >>> deduplicate(["b", "a", "b"])
    ['b', 'a']
    """
    return list(dict.fromkeys(values))


def parse_value(value: Any, annotation: Any) -> Any:
    """A text (or plain data) as a value of this type, as adapters read it.

    >>> parse_value("['a', 'b',]", list[str])
    ['a', 'b']
    """
    schema = schema_of(annotation)
    return schema.parse(value) if isinstance(value, str) else schema.coerce(value)


def format_field_value(field_info: Any, value: Any) -> str:
    """A value as adapters write it in a prompt.

    >>> from whet.core.signature import Signature
    >>> format_field_value(Signature("rows: list[int] -> answer").fields["rows"], [1, 2])
    '[1, 2]'
    """
    return str(field_info.schema.render(value))


def get_dspy_field_type(field: Any) -> str:
    """`input` or `output`."""
    return str(field.kind)


class TrainDataFormat(Enum):
    """In which form rows are given to a provider's `finetune`."""

    CHAT = "chat"
    COMPLETION = "completion"
    GRPO_CHAT = "grpo_chat"


class _GlobalHistory(list[Any]):
    """The model calls of this process as they are now, each as a dict: a list by its type, as DSPy's is, that holds nothing itself."""

    def __getitem__(self, index: Any) -> Any:
        found = current().history[index]
        return [dict(record) for record in found] if isinstance(index, slice) else dict(found)

    def __len__(self) -> int:
        return len(current().history)

    def __iter__(self) -> Iterator[Any]:
        return (dict(record) for record in list(current().history))

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    def __bool__(self) -> bool:
        return len(self) > 0

    def clear(self) -> None:
        """Forget them."""
        current().history.clear()

    def __repr__(self) -> str:
        return f"GLOBAL_HISTORY({list(current().history)!r})"


GLOBAL_HISTORY: Final = _GlobalHistory()
