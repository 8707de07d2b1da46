"""What models wrap around a value: quotes, backticks, asterisks, a code fence."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["bare", "fenced", "near"]

_FENCE: Final = re.compile(r"```[ \t]*[\w+.#-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL)
_INLINE_FENCE: Final = re.compile(r"```(?:\w+[ \t]+)?([^`]*)```")
_PAIRS: Final = (('"', '"'), ("'", "'"), ("`", "`"), ("**", "**"), ("“", "”"))
_SEPARATOR: Final = re.compile(r"(?<=[^\W\d_])[\s_\-]+(?=[^\W_])|(?<=[^\W_])[\s_\-]+(?=[^\W\d_])")


def fenced(text: str) -> str | None:
    """What stands in the code fence that `text` consists of; None where it is not one fence.

    >>> fenced("```json\\n[1]\\n```"), fenced("so: ```x```")
    ('[1]', None)
    """
    if not (text.startswith("```") and text.endswith("```") and len(text) > 5):
        return None
    found = _FENCE.fullmatch(text) or _INLINE_FENCE.fullmatch(text)
    return found.group(1) if found and "```" not in found.group(1) else None


def bare(text: str) -> str:
    """`text` without blanks, a code fence, and pairs of quotes, backticks or asterisks around it.

    >>> bare(' **"yes"** ')
    'yes'
    """
    text = text.strip()
    inner = fenced(text)
    text = text if inner is None else inner.strip()
    for _ in range(4):
        for left, right in _PAIRS:
            if len(text) > len(left) + len(right) - 1 and text.startswith(left) and text.endswith(right):
                text = text[len(left) : -len(right)].strip()
                break
        else:
            return text
    return text


def near(text: str) -> str:
    """What is left of a name when case, outer punctuation and the separators between its words do not count.

    Signs and digits always count: `-1`, `C++`, `A-` and `1.5` keep theirs.

    >>> near("Not_Spam."), near("not spam"), near("A-"), near("2024-01")
    ('notspam', 'notspam', 'a-', '2024-01')
    """
    return _SEPARATOR.sub("", text.strip(" \t\r\n\"'`*.,;:!()[]").casefold())
