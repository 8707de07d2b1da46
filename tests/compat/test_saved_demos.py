"""Demos in files of DSPy: pictures, sounds, documents and tools, which it writes as its prompts have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.compat.report import load_saved
from whet.core.types.document import Citations, Document
from whet.errors import StateError


def dspys_file(path: Path, value: Any) -> Path:
    fields = [{"prefix": f"{name}:", "description": f"${{{name}}}"} for name in ("Q", "A")]
    saved = {"demos": [{"q": value, "a": "x"}, {"q": value, "a": "y"}], "signature": {"instructions": "I.", "fields": fields}, "lm": None}
    path.write_text(json.dumps(saved), encoding="utf-8")
    return path


def blocks(*parts: Any) -> str:
    return f"<<CUSTOM-TYPE-START-IDENTIFIER>>{json.dumps(parts)}<<CUSTOM-TYPE-END-IDENTIFIER>>"


PICTURE = {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}
SOURCE = {"type": "text", "media_type": "text/plain", "data": "d"}
DOCUMENT = {"type": "document", "source": SOURCE, "citations": {"enabled": True}, "title": "t"}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}
CITED = {"type": "char_location", "cited_text": "a", "document_index": 0, "start_char_index": 0, "end_char_index": 1}
OLD_BLOCKS = f"<<CUSTOM-TYPE-START-IDENTIFIER>>{[PICTURE]}<<CUSTOM-TYPE-END-IDENTIFIER>>"


@pytest.mark.parametrize(("annotation", "saved", "value"), [
    (whet.Image, blocks(PICTURE), whet.Image("https://e.com/a.png")),
    (whet.Image, OLD_BLOCKS, whet.Image("https://e.com/a.png")),
    (whet.Image, "<DSPY_IMAGE_START>https://e.com/a.png<DSPY_IMAGE_END>", whet.Image("https://e.com/a.png")),
    (list[whet.Image], [blocks(PICTURE)], [whet.Image("https://e.com/a.png")]),
    (dict[str, whet.Image], {"k": blocks(PICTURE)}, {"k": whet.Image("https://e.com/a.png")}),
    (whet.Audio, blocks(SOUND), whet.Audio(data="AAAA", audio_format="mp3")),
    (whet.File, blocks({"type": "file", "file": {"file_id": "f1", "filename": "a.txt"}}), whet.File.from_file_id("f1", filename="a.txt")),
    (Document, blocks(DOCUMENT), Document(data="d", title="t", media_type="text/plain")),
    (Citations, blocks(CITED), Citations.from_dict_list([CITED])),
    (list[whet.Tool], ["f, whose description is <desc>d</desc>."], ["f, whose description is <desc>d</desc>."]),
])  # fmt: skip
def test_pictures_and_the_like_in_demos_that_dspy_saved(annotation: Any, saved: Any, value: Any, tmp_path: Path) -> None:
    predict = whet.Predict(whet.Signature({"q": (annotation, whet.InputField()), "a": (str, whet.OutputField())}))
    predict.load(dspys_file(tmp_path / "p.json", saved))
    assert [demo["q"] for demo in predict.demos] == [value, value]


def test_a_demo_that_does_not_fit_can_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    predict = whet.Predict("q: int -> a")
    path = dspys_file(tmp_path / "p.json", "many")
    text = path.read_text(encoding="utf-8").replace("many", "3", 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StateError, match="demo 2 does not fit: field `q`.*force=True"):
        predict.load(path)
    predict.load(path, force=True)
    assert [demo["q"] for demo in predict.demos] == [3] and "demo 2 was left out" in caplog.text
    report = load_saved(whet.Predict("q: int -> a"), path)
    assert report.loaded == ("self",) and "demo 2 was left out: field `q`" in report.unmapped[0]


class Rag(whet.Module):
    def __init__(self) -> None:
        self.retrieve, self.answer = whet.Retrieve(k=3), whet.ChainOfThought("context, question -> answer")


def test_what_dspy_2_keeps_of_retrievers_and_models_is_loaded_and_not_complained_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lm = {"model": "openai/gpt-4o-mini", "cache": True, "cache_in_memory": True, "num_retries": 3, "temperature": 0.0}
    old = {"traces": [], "train": [], "demos": [], "lm": lm, "signature_instructions": "Learnt.", "signature_prefix": "Answer:"}
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"retrieve": {"k": 7}, "answer": old}), encoding="utf-8")
    program = Rag()
    with pytest.raises(StateError, match=r"load_saved\(program, path\)"):
        program.load(path)
    report = load_saved(program, path)
    assert program.retrieve.k == 7 and program.answer.predict.signature.instructions == "Learnt."
    assert report.loaded == ("answer.predict",) and not any("retrieve" in text for text in report.unmapped)
    assert program.answer.predict.lm.model == "openai/gpt-4o-mini" and "cache_in_memory" not in caplog.text
