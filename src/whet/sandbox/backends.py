"""Which backends there are, which can run here, and how to make one."""

from __future__ import annotations

from whet.errors import CodeInterpreterError, ConfigurationError
from whet.sandbox import bubblewrap, monty
from whet.sandbox.journal import HEADER
from whet.sandbox.protocol import Backend, BackendStatus, Limits, Offer

__all__ = ["NAMES", "check_backends", "choose", "instructions", "make", "maker_of", "status"]

NAMES = (monty.NAME, bubblewrap.NAME)


def check_backends() -> list[BackendStatus]:
    """Every backend, the default first: whether it can run here, and what to install where it cannot.

    >>> [status.name for status in check_backends()]
    ['monty', 'bubblewrap']
    """
    return [status(name) for name in NAMES]


def status(name: str) -> BackendStatus:
    """One backend; the answer of a trial start is kept for this process."""
    return bubblewrap.status() if name == bubblewrap.NAME else monty.status()


def choose(name: str, offer: Offer) -> str:
    """The backend that `name` stands for: `auto` is `monty`, and `bubblewrap` where only that will do.

    Raises `ConfigurationError` for a name that there is not, `CodeInterpreterError` where none can run.
    """
    if name in NAMES:
        return name
    if name != "auto":
        raise ConfigurationError(f"There is no sandbox backend {name!r}. Take one of: auto, {', '.join(NAMES)}.")
    fitting = [n for n in NAMES if n != monty.NAME or not offer.network]
    for candidate in fitting:
        if status(candidate).ready:
            return candidate
    lacks = "; ".join(f"`{n}` lacks {status(n).missing} ({status(n).install})" for n in fitting)
    raise CodeInterpreterError(f"No sandbox can run here: {lacks}.")


def maker_of(state: bytes) -> str:
    """The backend that took a snapshot; empty where none of them did.

    >>> maker_of(b"whet-sandbox monty 1.4.0")
    'monty'
    """
    headers = {monty.NAME: monty.STATE_HEADER, bubblewrap.NAME: HEADER}
    return next((name for name, header in headers.items() if isinstance(state, bytes) and state.startswith(header)), "")


def make(name: str, limits: Limits, offer: Offer) -> Backend:
    """A new session of the backend `name`, not yet started."""
    if name == bubblewrap.NAME:
        return bubblewrap.BubblewrapBackend(limits, offer)
    return monty.MontyBackend(limits, offer)


def instructions(name: str) -> str:
    """What a model has to know to write code for the backend."""
    return bubblewrap.INSTRUCTIONS if name == bubblewrap.NAME else monty.INSTRUCTIONS
