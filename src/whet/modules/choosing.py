"""What one call is made with: the model, the formats, the samples. Wrong choices are refused here, before anything is paid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whet.adapters.base import Adapter
from whet.adapters.chat import ChatAdapter
from whet.adapters.json import JSONAdapter
from whet.errors import ConfigurationError
from whet.lm.base import BaseLM
from whet.lm.borrowed import as_model

__all__ = ["adapters_of", "checked_special", "model_of", "sampling_options"]

_CHAT, _JSON = ChatAdapter(), JSONAdapter()


def model_of(lm: Any) -> Any:
    """The model chosen. Raises `ConfigurationError` for none, and for what is no model."""
    if isinstance(lm, BaseLM):
        return lm if hasattr(type(lm), "_calls") else as_model(lm)  # a mock with the spec of a model says that it is one
    if lm is not None and hasattr(lm, "flow") and hasattr(lm, "capabilities"):
        return lm
    if lm is None:
        raise ConfigurationError(
            'No LM is loaded. Choose one with `whet.configure(lm=whet.LM("openai/gpt-4o-mini"))`, '
            'or `whet.LM("embedded")` for one that needs nothing.'
        )
    if isinstance(lm, str):
        raise ConfigurationError(f'LM must be an instance of `whet.BaseLM`, not a string. Wrap the name: `whet.LM("{lm}")`.')
    raise ConfigurationError(f"LM must be an instance of `whet.BaseLM`, not {type(lm)}.")


def adapters_of(chosen: Any) -> Sequence[Adapter]:
    """The formats to try in turn. Raises `ConfigurationError` for what is none."""
    chosen = chosen or _CHAT
    if isinstance(chosen, Adapter):
        return (chosen, _JSON) if getattr(chosen, "use_json_adapter_fallback", False) else (chosen,)
    adapters = chosen if isinstance(chosen, list | tuple) else (chosen,)
    for adapter in adapters:
        if isinstance(adapter, str | type) or not callable(adapter):
            raise ConfigurationError(f"An adapter is an object such as `whet.JSONAdapter()`, or several in a list; got {adapter!r}.")
    return adapters


def sampling_options(options: dict[str, Any], lm: Any) -> dict[str, Any]:
    """The request parameters; several samples are taken at a temperature. Raises `ConfigurationError` for a number that is none."""
    defaults = getattr(lm, "kwargs", None) or {}
    n = options.get("n")
    if n is None:
        n = defaults.get("n") or 1
    if n == 1:
        return options
    if type(n) is not int or n < 1:
        raise ConfigurationError(f"`n` is the number of samples, 1 or more; got {n!r}.")
    temperature = options.get("temperature", defaults.get("temperature"))
    return {**options, "temperature": 0.7} if temperature is None or temperature <= 0.15 else options


def checked_special(special: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` for `demos` and `config` of a call that are none."""
    demos, config = special.get("demos") or (), special.get("config") or {}
    if not isinstance(demos, list | tuple) or not all(isinstance(demo, Mapping) for demo in demos):
        raise ConfigurationError(f"`demos` is a list of examples (or dicts) with the fields of the signature; got {demos!r:.200}.")
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"`config` is a dict of request parameters, such as {{'temperature': 0.5}}; got {config!r:.200}.")
