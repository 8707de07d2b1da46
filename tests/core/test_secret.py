"""A secret is never seen: not in print, JSON, copies, pickles, formats or tracebacks."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest

from whet.core.secret import Secret, scrub
from whet.errors import LMNotConfiguredError

CANARY = "sk-canary-0123456789"


def test_nothing_but_reveal_shows_it() -> None:
    secret = Secret(CANARY)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>30}", repr([secret]), repr({"key": secret})]
    shown += [repr(copy.copy(secret)), repr(copy.deepcopy([secret])), str(dir(secret)), repr(getattr(secret, "__dict__", ""))]
    assert not [text for text in shown if CANARY in text]
    assert secret.reveal() == CANARY
    assert copy.deepcopy({"key": secret})["key"].reveal() == CANARY


def test_it_goes_into_no_file() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps({"key": Secret(CANARY)})
    assert CANARY not in str(caught.value)
    with pytest.raises(TypeError, match="never written"):
        pickle.dumps(Secret(CANARY))


def test_a_traceback_with_its_locals_does_not_show_it() -> None:
    def fail(key: Secret) -> None:
        raise RuntimeError(f"no luck with {key}")

    try:
        fail(Secret(CANARY))
    except RuntimeError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "no luck" in text
    assert CANARY not in text


def test_the_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret.env("FIRST_API_KEY", "SECOND_API_KEY")
    with pytest.raises(LMNotConfiguredError, match="`FIRST_API_KEY` or `SECOND_API_KEY`"):
        secret.reveal()
    monkeypatch.setenv("SECOND_API_KEY", "two")
    assert secret.reveal() == "two"
    monkeypatch.setenv("FIRST_API_KEY", "one")
    assert secret.reveal() == "one"


def test_a_callable_is_asked_each_time() -> None:
    tokens = iter(["a", "b"])
    secret = Secret(lambda: next(tokens))
    assert (secret.reveal(), secret.reveal()) == ("a", "b")


def test_scrub_removes_every_place() -> None:
    assert scrub(f"{CANARY} and {CANARY}", [CANARY, "abc"]) == "*** and ***"
