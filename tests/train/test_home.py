"""No half-written model ever loads, and a missing or damaged one says so."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError, LMNotConfiguredError, StateError, TrainingError
from whet.lm.home import MANIFEST, find_model, manifest_of, models_folder, publish, verify


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def filled(text: str) -> Any:
    def fill(folder: Path) -> None:
        folder.mkdir()
        (folder / "weights.bin").write_bytes(text.encode())
        (folder / "deep").mkdir()
        (folder / "deep" / "more.json").write_text("{}", encoding="utf-8")

    return fill


def test_a_model_is_named_by_its_content_and_verified(home: Path) -> None:
    name, other = publish("intents", "test", filled("one")), publish("intents", "test", filled("two"))
    assert name != other and publish("intents", "test", filled("one")) == name
    assert sorted(p.name for p in models_folder().iterdir()) == sorted([name, other])
    assert find_model(name) == home / "models" / name
    assert verify(find_model(name))["files"].keys() == {"weights.bin", "deep/more.json"}


def test_nothing_is_left_where_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path) -> None:
        filled("half")(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(TrainingError, match="disk is full"):
        publish("intents", "test", full)
    assert list(models_folder().iterdir()) == []


def test_a_model_that_was_killed_while_it_was_written_is_never_found() -> None:
    models_folder().mkdir(parents=True)
    half = models_folder() / ".new-abc" / "model"
    half.mkdir(parents=True)
    (half / "weights.bin").write_bytes(b"half")
    with pytest.raises(LMNotConfiguredError, match="no trained model"):
        find_model("intents-0000000000000000")
    name = publish("intents", "test", filled("whole"))
    assert verify(find_model(name))


@pytest.mark.parametrize("damage", ["byte", "cut", "gone", "manifest", "renamed"])
def test_a_damaged_model_is_refused(damage: str) -> None:
    folder = find_model(publish("intents", "test", filled("whole")))
    if damage == "byte":
        (folder / "weights.bin").write_bytes(b"whale")
    elif damage == "cut":
        os.truncate(folder / "weights.bin", 2)
    elif damage == "gone":
        (folder / "deep" / "more.json").unlink()
    elif damage == "manifest":
        (folder / MANIFEST).write_text((folder / MANIFEST).read_text(encoding="utf-8").replace("test", "text"), encoding="utf-8")
    else:
        folder = folder.rename(folder.with_name("intents-0123456789abcdef"))
    with pytest.raises(StateError, match="damaged"):
        verify(folder)


def test_a_folder_without_a_manifest_is_no_finished_model(tmp_path: Path) -> None:
    assert manifest_of(tmp_path) is None
    with pytest.raises(StateError, match="never finished"):
        verify(tmp_path)


def test_a_missing_model_is_said_when_it_is_named() -> None:
    name = publish("intents", "test", filled("one"))
    with pytest.raises(LMNotConfiguredError, match=f"no trained model `other-1`.*{name}"):
        whet.LM("embedded:other-1")


def test_a_name_is_plain() -> None:
    for name in ("", "../up", "A", "a b"):
        with pytest.raises(ConfigurationError, match="lower-case"):
            publish(name, "test", filled("one"))
