"""What a prompt is made of: messages of typed parts. Text can never turn into another kind of part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from whet.core.quick import maker, quick

__all__ = ["Content", "MediaPart", "Message", "Part", "RawPart", "Role", "TextPart", "ToolCallPart", "make_message", "prompt_of"]

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class TextPart:
    """A run of plain text; `apart` where it is a block of its own, never run together with the text around it."""

    text: str
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPart:
    """An image, a sound, a video or a document.

    `source` is the user's value (`Image`, `Audio`, `File`, ...). It is asked for its bytes or URL only when a provider encodes the
    request, so media are encoded once and never copied into prompts, logs or journals. `digest` names the content.
    """

    kind: Literal["image", "audio", "video", "file", "document"]
    source: Any
    digest: str


@dataclass(frozen=True, slots=True)
class RawPart:
    """A content block in OpenAI's form that a user's own type made; it is passed on as it is."""

    block: dict[str, Any]


Part: TypeAlias = TextPart | MediaPart | RawPart
Content: TypeAlias = str | tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallPart:
    """One call of a tool that the model asked for; `arguments` is the JSON text it wrote.

    `signed` is what the provider wants back with the call, such as the signed reasoning that led to it; only its wire format reads it.

    >>> Message("assistant", "", (ToolCallPart(id="1", name="people", arguments='{"city": "Oslo"}'),)).tool_calls[0].name
    'people'
    """

    id: str | None
    name: str
    arguments: str
    signed: str | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """The call in OpenAI's form, and what is signed beside it.

        >>> ToolCallPart(id="1", name="f", arguments="{}").plain
        {'id': '1', 'type': 'function', 'function': {'name': 'f', 'arguments': '{}'}}
        """
        call: dict[str, Any] = {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}
        return call if self.signed is None else {**call, "signed": self.signed}


@quick
@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is a string, or a tuple of parts when there is more than text in it.

    >>> Message("user", "Hello").content
    'Hello'
    """

    role: Role
    content: Content
    tool_calls: tuple[ToolCallPart, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """The text of the message, media left out."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


# One turn from role and content, in half the time.
make_message = maker(Message)


def prompt_of(messages: tuple[Message, ...]) -> str:
    """The messages as the one prompt that a model of texts is asked with.

    >>> prompt_of((Message("system", "Be brief."), Message("user", "Hi")))
    'Be brief.\\n\\nHi\\n\\nBEGIN RESPONSE:'
    """
    return "\n\n".join([*(m.text for m in messages), "BEGIN RESPONSE:"])
