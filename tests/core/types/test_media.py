"""Media: made without I/O, held by reference, encoded once, never in JSON; and they survive a saved program."""

from __future__ import annotations

import base64
import builtins
import copy
import io
import json
import pickle
import random
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import whet
from whet.core.schema import schema_of
from whet.core.types import blob as blobs
from whet.core.types.audio import Audio
from whet.core.types.custom import Type
from whet.core.types.file import File, Video
from whet.core.types.image import Image
from whet.errors import SchemaError

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
KINDS = [Image, Audio, File, Video]


def hostile_strings() -> list[str]:
    chance = random.Random(7)
    seeds = [
        "/etc/passwd", "../../secret", "file:///etc/passwd", "FILE://localhost/etc/passwd", "ftp://example.com/x", "C:\\secret",
        "\\\\host\\share",
        "http://169.254.169.254/latest", "https://example.com/a.png", "gs://bucket/a.png", "data:image/png;base64,AAAA", "data:,x",
        "data:;base64,!",
        "data:text/html,<script>", "sha256:" + "0" * 64, "~/.ssh/id_rsa", "~root", "$HOME/x", "", " ",
        "\x00", "a" * 5000, "//host/x", "javascript:1",
    ]  # fmt: skip
    found = list(seeds)
    while len(found) < 1_000:
        text = chance.choice(seeds)
        place = chance.randint(0, len(text))
        found.append(text[:place] + chance.choice(["", "\n", "%00", "../", "\u202e", "http://", " "]) + text[place:])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_hostile_strings_touch_neither_disk_nor_network(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"I/O: {args}")

    schema = schema_of(kind)
    for module, name in ((builtins, "open"), (io, "open"), (socket, "socket"), (Path, "read_bytes"), (Path, "is_file"), (Path, "open")):
        monkeypatch.setattr(module, name, refused)
    for text in hostile_strings():
        for value in (text, {"url": text}, {"file_data": text}, {"digest": text, "mime": "image/png"}, [text]):
            try:
                schema.coerce(value)
            except SchemaError:
                continue


@pytest.mark.parametrize(
    "given", ["/etc/passwd", "file:///etc/passwd", "cat.png", b"no picture", 5, None, {"url": "x"}, {"digest": "../../x", "mime": "a/b"}]
)
def test_what_is_no_image_is_refused_with_what_would_fit(given: Any) -> None:
    with pytest.raises(ValueError, match="fit|no picture"):
        Image(given)


def test_arguments_that_contradict_each_other() -> None:
    with pytest.raises(TypeError):
        Image("https://a.b/c.png", url="https://a.b/c.png")
    with pytest.raises(TypeError):
        Image(url="https://a.b/c.png", download=True)
    with pytest.raises(TypeError):
        Audio("data:audio/mp3;base64,AAAA", audio_format="wav")
    with pytest.raises(TypeError):
        Audio(b"x", sampling_rate=8000)
    with pytest.raises(TypeError):
        File({"filename": "a"}, filename="b")
    with pytest.raises(ValueError, match="file_data"):
        File({"other": 1})


def test_forms_and_reprs() -> None:
    image = Image(PNG)
    assert image.format() == [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}}]
    assert "IMAGE_BASE_64_ENCODED" in repr(image)
    assert repr(Image(url="https://a.b/c.png")) == "Image(url='https://a.b/c.png')"
    assert Audio("data:audio/x-wav;base64,AAAA").format() == [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]
    assert File.from_file_id("f1", "a.pdf").format() == [{"type": "file", "file": {"file_id": "f1", "filename": "a.pdf"}}]
    assert repr(File("data:text/plain;base64,aGk=")) == "File(file_data=<DATA_URI(text/plain, 27 chars)>)"
    assert hash(image) == hash(Image(PNG))
    assert image == Image(image) == copy.deepcopy(image) == pickle.loads(pickle.dumps(image))
    with pytest.raises(AttributeError):
        image.mime = "x"


def test_reading_files_is_explicit(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    assert Image.from_path(path) == Image(PNG)
    assert File.from_path(path).filename == "a.png"
    with pytest.raises(ValueError, match="There is no"):
        Image.from_path(tmp_path / "b.png")
    with pytest.warns(DeprecationWarning):
        assert Image.from_file(path) == Image(PNG)


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "audio/x-wav" if self.path == "/sound" else "image/png")
        self.end_headers()
        self.wfile.write(PNG)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_downloading_is_explicit() -> None:
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        assert Image.from_url(base + "/a") == Image(PNG)
        assert Audio.from_url(base + "/sound").audio_format == "wav"
        with pytest.raises(ValueError, match="not audio"):
            Audio.from_url(base + "/a")
        with pytest.raises(ValueError, match="edirect"):
            Image.from_url(base + "/away")
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(ValueError, match="Only http"):
        Image.from_url("file:///etc/passwd")


def test_bytes_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    encode = base64.b64encode

    def counted(data: bytes) -> bytes:
        nonlocal count
        count += 1
        return encode(data)

    monkeypatch.setattr(blobs.base64, "b64encode", counted)
    data = PNG + bytes(5_000_000)
    first, second = Image(data), Image(bytes(data))
    for _ in range(3):
        assert first.media().data == second.media().data
    assert count == 1


def test_media_are_in_no_json_and_survive_a_saved_program(tmp_path: Path) -> None:
    signature = whet.Signature({"shot": (Image, whet.InputField()), "more": (list[File], whet.InputField()), "a": whet.OutputField()})
    program = whet.Predict(signature)
    data = PNG + bytes(random.Random(1).randbytes(3000))
    program.demos = [whet.Example(shot=Image(data), more=[File.from_bytes(b"%PDF", "a.pdf", "application/pdf")], a="x")]
    path = tmp_path / "program.json"
    program.save(path)
    text = path.read_text()
    assert base64.b64encode(data).decode()[:60] not in text
    assert json.loads(text)
    digest = program.demos[0].shot.digest
    program.demos.clear()
    loaded = whet.Predict(signature)
    loaded.load(path)
    assert loaded.demos[0].shot.digest == digest
    assert loaded.demos[0].shot.url.endswith(base64.b64encode(data).decode())
    assert loaded.demos[0].more[0].filename == "a.pdf"


def test_media_in_models_and_in_signature_strings() -> None:
    class Page(BaseModel):
        shot: Image | None = None
        files: list[File] = []

    page = Page.model_validate({"shot": "https://a.b/c.png", "files": ["data:application/pdf;base64,AAAA"]})
    assert page.shot == Image("https://a.b/c.png")
    assert page.model_dump(mode="json")["files"][0]["mime"] == "application/pdf"
    assert whet.Signature("shot: whet.Image, sounds: list[Audio] -> a").fields["sounds"].annotation == list[Audio]
    assert Type.extract_custom_type_from_annotation(dict[str, list[Image] | None]) == [Image]
