"""Types whose values are JSON in a prompt: how their text is read, clean, damaged, or surrounded by prose."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from whet.core.schema.base import Schema, load, one_line
from whet.core.schema.reading import MISSING, Reading
from whet.core.schema.wrapping import fenced

__all__ = ["Structured"]


class Structured(Schema):
    """A type whose values are objects or arrays.

    Where pydantic reads and writes exactly what we would, and its models are involved anyway, its compiled machinery does
    the clean cases; ours does the rest.
    """

    uses_pydantic: ClassVar[bool] = False

    def parse(self, text: str, repairs: list[str] | None = None) -> Any:
        validator = self.validator
        if validator is not None:
            try:
                return validator.validate_json(text, strict=True, by_alias=True, by_name=True)
            except Exception:  # noqa: BLE001 - whatever it or a user's validator says, the tolerant reading says it better
                pass
        return super().parse(text, repairs)

    def fit_text(self, text: str, reading: Reading) -> Any:
        tree = load(text)
        if tree is not MISSING:
            return self.fit(tree, reading)
        if reading.strict:
            raise reading.misfit(text, self.expected)
        return self._recovered(text, reading)

    def _recovered(self, text: str, reading: Reading) -> Any:
        from whet.core.schema.segments import read_damaged, segments, unfenced  # noqa: PLC0415 - only wanted for damaged text

        body, notes = unfenced(text)
        tree, mended = read_damaged(body)
        if tree is not MISSING:
            self._mend([*notes, *mended], text, reading)
            return self.fit(tree, reading)
        found = [(part, note, *read_damaged(part, words=False)) for part, note in segments(body)]
        trees = [(tree, [note, *mended]) for _, note, tree, mended in found if isinstance(tree, (dict, list))]
        if not trees:
            return self.fit(body, reading)
        tries = [(reading.attempt(self.fit, tree, strict=False), notes) for tree, notes in trees]
        fits = [(value, [*notes, *more]) for (value, more), notes in tries if value is not MISSING]
        if not fits:
            return self.fit(trees[0][0], reading)
        value, notes = fits[0]
        if any(bool(other != value) for other, _ in fits):
            raise reading.misfit(text, self.expected, "It holds several values that would fit, and they differ.")
        self._mend(notes, text, reading)
        return value

    def _mend(self, notes: list[str], text: str, reading: Reading) -> None:
        for note in notes:
            reading.mend(note, text, self.expected)

    def inside(self, value: Any, reading: Reading) -> Any:
        """The object or array that a JSON string holds; `MISSING` where it holds none."""
        if not isinstance(value, str):
            return MISSING
        clean = value.strip()
        clean = clean if clean[:3] != "```" else (fenced(clean) or clean).strip()
        tree = load(clean) if clean[:1] in ("{", "[", '"') else MISSING
        if tree is MISSING and clean[:1] in ("{", "["):
            from whet.core.schema.segments import read_damaged  # noqa: PLC0415 - only wanted for damaged text

            tree = read_damaged(clean)[0]
        if not isinstance(tree, (dict, list)):
            return MISSING
        reading.mend("read the JSON inside a text", value, self.expected)
        return tree

    def render(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        data = self.dump(value)
        return data if isinstance(data, str) else one_line(data) if isinstance(data, (dict, list)) else str(data)

    def prepare(self) -> None:
        """Build now what the first call would otherwise wait for."""
        _ = self.validator, self.serializer

    @cached_property
    def validator(self) -> Any:
        """pydantic's compiled reader for this type, where it may stand in for ours; else None."""
        return self._compiled("pydantic_reads", "validator")

    @cached_property
    def serializer(self) -> Any:
        """pydantic's compiled writer for this type, where it may stand in for ours; else None."""
        return self._compiled("pydantic_writes", "serializer")

    def _compiled(self, flag: str, part: str) -> Any:
        family = list(self.family())
        if not any(isinstance(schema, Structured) and schema.uses_pydantic for schema in family):
            return None
        if not all(getattr(schema, flag) for schema in family):
            return None
        from pydantic import TypeAdapter  # noqa: PLC0415 - slow to import, and pydantic's models are here already
        from pydantic.errors import PydanticUserError  # noqa: PLC0415 - as above

        try:
            return getattr(TypeAdapter(self.annotation), part)
        except (PydanticUserError, NameError, TypeError):
            return None
