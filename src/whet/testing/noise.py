"""What models do to an answer: prose around it, fences, quotes, commas, blanks, a missing end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["NOISES"]


def _fence(text: str) -> str:
    return f"```{'json' if text.lstrip().startswith('{') else ''}\n{text.strip()}\n```"


def _trailing_commas(text: str) -> str:
    return re.sub(r'(["\w])(\s*[}\]])', r"\1,\2", text, count=1)


def _blank_lines(text: str) -> str:
    return re.sub(r"(\]\]|>)\n", r"\1\n\n", text)


def _no_end(text: str) -> str:
    return text.replace("\n\n[[ ## completed ## ]]", "").rstrip()


NOISES: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "clean": lambda text: text,
        "greeting": lambda text: f"Sure! Here is the answer you asked for:\n\n{text}",
        "farewell": lambda text: f"{text}\n\nLet me know if there is anything else.",
        "fence": _fence,
        "fence in prose": lambda text: f"Here you are:\n\n{_fence(text)}\n\nI hope this helps.",
        "trailing comma": _trailing_commas,
        "blank lines": _blank_lines,
        "blanks around": lambda text: f"\n\n  {text}  \n\n",
        "no end sign": _no_end,
        "windows line ends": lambda text: text.replace("\n", "\r\n"),
        "thinking first": lambda text: f"<think>\nLet me see. Maybe [1, 2] or {{x}}?\n</think>\n\n{text}",
    }
)
