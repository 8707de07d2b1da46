"""Colors: names of colours, the smallest data set to try an optimizer on; those of CSS Color Module Level 4 (W3C), with one gray each."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from whet.datasets.dataset import Dataset
from whet.datasets.files import read_rows
from whet.errors import ConfigurationError

__all__ = ["Colors"]

_NAMES = """
alice blue, antique white, aqua, aquamarine, azure, beige, bisque, black, blanched almond, blue, blue violet, brown, burly wood, cadet blue,
chartreuse, chocolate, coral, cornflower blue, cornsilk, crimson, cyan, dark blue, dark cyan, dark goldenrod, dark gray, dark green,
dark khaki, dark magenta, dark olive green, dark orange, dark orchid, dark red, dark salmon, dark sea green, dark slate blue,
dark slate gray, dark turquoise, dark violet, deep pink, deep sky blue, dim gray, dodger blue, fire brick, floral white, forest green,
fuchsia, gainsboro, ghost white, gold, goldenrod, gray, green, green yellow, honeydew, hot pink, indian red, indigo, ivory, khaki, lavender,
lavender blush, lawn green, lemon chiffon, light blue, light coral, light cyan, light goldenrod yellow, light gray, light green, light pink,
light salmon, light sea green, light sky blue, light slate gray, light steel blue, light yellow, lime, lime green, linen, magenta, maroon,
medium aquamarine, medium blue, medium orchid, medium purple, medium sea green, medium slate blue, medium spring green, medium turquoise,
medium violet red, midnight blue, mint cream, misty rose, moccasin, navajo white, navy, old lace, olive, olive drab, orange, orange red,
orchid, pale goldenrod, pale green, pale turquoise, pale violet red, papaya whip, peach puff, peru, pink, plum, powder blue, purple,
rebecca purple, red, rosy brown, royal blue, saddle brown, salmon, sandy brown, sea green, seashell, sienna, silver, sky blue, slate blue,
slate gray, snow, spring green, steel blue, tan, teal, thistle, tomato, turquoise, violet, wheat, white, white smoke, yellow, yellow green
"""


class Colors(Dataset):
    """Names of colours in the field `color`, three fifths train and the rest dev; it needs no file and no network.

    Names of your own come from `path`, a file (.csv, .json, .jsonl, .parquet) with the column `color` (`ConfigurationError` without it).

    With `sort_by_suffix` names with the same last word mostly land in the same split, so that dev asks for colours unlike those of train.
    Other arguments are those of `Dataset`.

    >>> data = Colors(train_size=2)
    >>> len(data.train), data.train[0].keys()
    (2, ['color'])
    """

    def __init__(self, sort_by_suffix: bool = True, *args: Any, path: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [name.strip() for name in _NAMES.replace("\n", " ").split(",")] if path is None else _names_in(path)
        self.source = "whet itself" if path is None else str(path)
        if sort_by_suffix:
            names.sort(key=lambda name: name[::-1])
        else:
            random.Random(0).shuffle(names)
        cut = len(names) * 3 // 5
        self._train = [{"color": name} for name in names[:cut]]
        self._dev = [{"color": name} for name in names[cut:]]


def _names_in(path: str | Path) -> list[str]:
    rows = read_rows(path)
    if not rows or any("color" not in row for row in rows):
        raise ConfigurationError(f"`{path}` has no column `color`; it has: {', '.join(rows[0]) if rows else 'no rows'}.")
    return [str(row["color"]) for row in rows]
