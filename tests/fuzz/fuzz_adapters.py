"""Coverage-guided fuzzing of every reader of answers, with atheris: `make fuzz SECONDS=600`. For nights; the ordinary tests have a part.

Whatever an answer holds, reading it gives values or an error of whet's tree, the pieces of a stream join to the same text however it is
cut, and 10 kB take no more work than `tests/effort.py` allows. What breaks this is left as `crash-*` beside the corpus, and the exit
status is 77.

    python tests/fuzz/fuzz_adapters.py [folder of the corpus] [seconds]
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["whet.adapters", "whet.core.schema"]):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from adapters.test_hostile import ADAPTERS, SIGNS
    from effort import MOST_YARDS_PER_10_KB, within
    from whet.core.exchange import Choice
    from whet.errors import WhetError
    from whet.testing.adapter_shapes import shapes

LONGEST = 20_000


def read(which: int, text: str, cut: int) -> None:
    """One answer, read as a whole and as a stream in pieces of `cut` characters."""
    adapter, signature = ADAPTERS[which % len(ADAPTERS)]
    with contextlib.suppress(WhetError):
        adapter.read(signature, Choice(text=text))
    joined = []
    for size in (cut, len(text) or 1):
        scanner = adapter.scanner(signature)
        pieces = [piece for i in range(0, len(text), size) for piece in scanner.feed(text[i : i + size])] + scanner.finish()
        joined.append({name: "".join(p.text for p in pieces if p.field == name) for name in {p.field for p in pieces}})
    assert joined[0] == joined[1], joined


def one(data: bytes) -> None:
    """One input: a byte for the adapter, a byte for the size of the pieces, then the answer."""
    if len(data) < 2:
        return
    text = data[2:].decode("utf-8", "surrogateescape")
    # Three readings, of which two are streams, and all of it slowed down by the watch over the branches taken.
    if not within(4 * MOST_YARDS_PER_10_KB * max(1, len(text) / 10_000), lambda: read(data[0], text, data[1] % 16 + 1)):
        raise TimeoutError(f"reading {len(text)} characters takes far more than it may")


def main() -> None:
    """Fill the corpus with answers in every format, then go on from there."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".fuzz")
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    folder.mkdir(parents=True, exist_ok=True)
    for place, (adapter, _) in enumerate(ADAPTERS):
        for shape in shapes():
            answer = adapter.format_assistant_message_content(shape.signature, shape.answer)
            (folder / f"seed-{place}-{shape.name.replace(' ', '-')}").write_bytes(bytes([place, 3]) + answer.encode())
    words = folder.parent / f"{folder.name}.dict"
    words.write_text("".join(f'"{_escaped(sign.encode())}"\n' for sign in SIGNS))
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-dict={words}", f"-artifact_prefix={folder}/crash-", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(folder)], one)
    atheris.Fuzz()


def _escaped(sign: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in sign)


if __name__ == "__main__":
    main()
