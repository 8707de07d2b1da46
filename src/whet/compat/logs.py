"""`enable_logging` and `disable_logging`: whether whet's log records are shown. Nothing is set up before somebody asks."""

from __future__ import annotations

import logging
from typing import Any

__all__ = ["disable_litellm_logging", "disable_logging", "enable_litellm_logging", "enable_logging"]


class _Shown(logging.StreamHandler[Any]):
    """The handler that `enable_logging` adds; a class of its own, so that it is added once."""


class _Silent(logging.NullHandler):
    """The handler that `disable_logging` leaves: without any, Python itself would print warnings."""


def enable_logging() -> None:
    """Show whet's log records, from INFO on, on the standard error stream.

    >>> from unittest.mock import patch
    >>> with patch.dict(logging.Logger.manager.loggerDict, whet=logging.Logger("whet")):  # so that this example leaves all as it was
    ...     enable_logging()
    ...     logging.getLogger("whet").isEnabledFor(logging.INFO), logging.getLogger("whet").isEnabledFor(logging.DEBUG)
    (True, False)
    """
    logger = logging.getLogger("whet")
    _leave(logger, _Silent)
    logger.propagate = True
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _Shown) for handler in logger.handlers):
        handler = _Shown()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S"))
        logger.addHandler(handler)


def disable_logging() -> None:
    """Show none of whet's log records, warnings included.

    They are still made: `logging.getLogger("whet").propagate = True` hands them to the handlers of the root logger.

    >>> from unittest.mock import patch
    >>> with patch.dict(logging.Logger.manager.loggerDict, whet=logging.Logger("whet")):
    ...     disable_logging()
    ...     logging.getLogger("whet").propagate
    False
    """
    logger = logging.getLogger("whet")
    _leave(logger, _Shown, _Silent)
    logger.propagate = False
    logger.addHandler(_Silent())


def _leave(logger: logging.Logger, *kinds: type[logging.Handler]) -> None:
    for handler in [h for h in logger.handlers if isinstance(h, kinds)]:
        logger.removeHandler(handler)


def enable_litellm_logging() -> None:
    """Show the log records of LiteLLM, for programs that use `whet.lm.lite`; the clients of whet's own log under `whet`.

    >>> from unittest.mock import patch
    >>> with patch.dict(logging.Logger.manager.loggerDict, LiteLLM=logging.Logger("LiteLLM")):
    ...     enable_litellm_logging()
    ...     logging.getLogger("LiteLLM").isEnabledFor(logging.DEBUG)
    True
    """
    logging.getLogger("LiteLLM").setLevel(logging.DEBUG)


def disable_litellm_logging() -> None:
    """Show no log records of LiteLLM below errors.

    >>> from unittest.mock import patch
    >>> with patch.dict(logging.Logger.manager.loggerDict, LiteLLM=logging.Logger("LiteLLM")):
    ...     disable_litellm_logging()
    ...     logging.getLogger("LiteLLM").isEnabledFor(logging.WARNING)
    False
    """
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
