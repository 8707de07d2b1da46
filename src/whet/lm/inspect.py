"""Prints the newest calls of a history for a person to read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TextIO

from whet.core.trace import CallRecord

__all__ = ["history_text", "print_history"]

_COLOURS = {"red": "\x1b[31m", "green": "\x1b[32m", "blue": "\x1b[34m", "off": "\x1b[0m"}


def print_history(history: Sequence[Any], n: int = 1, file: TextIO | None = None) -> None:
    """Write the last `n` calls to `file`, or to the terminal in colours."""
    stream = file or sys.stdout
    stream.write(history_text(list(history)[-n:] if n > 0 else [], colours=file is None and stream.isatty()))


def history_text(records: Sequence[Any], colours: bool = False) -> str:
    """The calls as text: messages, then what came back."""
    paint = _COLOURS if colours else dict.fromkeys(_COLOURS, "")
    return "".join(_record_text(record, paint) for record in records)


def _record_text(record: Any, paint: dict[str, str]) -> str:
    lines = [f"\n\n{paint['blue']}[{record['timestamp']}]{paint['off']}\n"]
    for message in record["messages"]:
        lines.append(
            f"{paint['red']}{str(message['role']).capitalize()} message:{paint['off']}\n\n{_content_text(message.get('content'))}\n\n"
        )
        lines += [_tool_call_text(call, paint) for call in message.get("tool_calls") or ()]
    error = record.error if isinstance(record, CallRecord) else None
    if error is not None:
        lines.append(f"{paint['red']}Error:{paint['off']} {error}\n")
    for i, output in enumerate(record["outputs"]):
        lines.append(_output_text(output, i, paint))
    return "".join(lines)


def _content_text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "\n".join(_block_text(block) for block in content)


def _block_text(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind == "text":
        return str(block["text"]).strip()
    if kind == "image_url":
        url = str(block["image_url"]["url"])
        return f"<{url.split('base64,')[0]}base64,<IMAGE_BASE_64_ENCODED({len(url)})>" if "base64," in url else f"<image_url: {url}>"
    return f"<{kind}>"


def _tool_call_text(call: Any, paint: dict[str, str]) -> str:
    plain = call.format() if hasattr(call, "format") else call
    function = plain.get("function") or plain
    arguments = function.get("arguments", function.get("args"))
    return f"{paint['red']}Tool calls:{paint['off']}\n{paint['green']}{function['name']}: {arguments}{paint['off']}\n\n"


def _output_text(output: Any, index: int, paint: dict[str, str]) -> str:
    text = output.get("text") if isinstance(output, dict) else output
    title = "Response" if index == 0 else f"Response {index + 1}"
    body = f"{paint['red']}{title}:{paint['off']}\n\n{paint['green']}{(text or '').strip()}{paint['off']}\n\n" if text else ""
    calls = output.get("tool_calls", ()) if isinstance(output, dict) else ()
    return body + "".join(_tool_call_text(call, paint) for call in calls)
