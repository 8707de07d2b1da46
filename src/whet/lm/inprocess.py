"""A Hugging Face model in this process as the source of an `LM`: for small models; larger ones belong behind a server."""

from __future__ import annotations

import threading
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from whet.core.exchange import Choice, Request, Response, Usage
from whet.core.flow import Flow, Invoke
from whet.core.trace import message_dicts
from whet.errors import MissingExtraError
from whet.lm.home import find_model, manifest_of, verify

__all__ = ["TransformersSource"]

MAX_TOKENS: Final = 512


class TransformersSource:
    """Answers with the model in a folder, loaded at the first call; one call at a time. The tokenizer's chat template writes the prompts.

    Options it honours: `temperature` (0 or unset: greedy), `top_p`, `max_tokens` (default 512), `stop`, `seed`.
    """

    def __init__(self, model: str) -> None:
        self.name = model
        folder = find_model(model.partition(":")[2])
        times = tuple(path.stat().st_mtime_ns for path in sorted(folder.iterdir()))
        self.model = _model_in(str(folder), times)

    def flow(self, request: Request) -> Flow[Response]:
        """One answer."""
        return (yield Invoke(self.respond, (request,)))  # type: ignore[no-any-return]

    def respond(self, request: Request) -> Response:
        """Generates `n` answers."""
        with self.model.lock:
            tokenizer, model = self.model.parts()
            given = tokenizer.apply_chat_template(
                message_dicts(request.messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
            ).to(model.device)
            made = [_answer(tokenizer, model, request, given, number) for number in range(max(1, request.n))]
        length = int(given["input_ids"].shape[1])
        usage = Usage(input_tokens=length, output_tokens=sum(count for _, count in made))
        return Response(choices=tuple(choice for choice, _ in made), usage=usage, model=self.name, cost=0.0)


class _Model:
    """A tokenizer and a model, loaded at the first call."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self._parts: tuple[Any, Any] | None = None

    def parts(self) -> tuple[Any, Any]:
        if self._parts is None:
            self._parts = self._load()
        return self._parts

    def _load(self) -> tuple[Any, Any]:
        try:
            import torch  # noqa: PLC0415 - optional
            from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - optional
            from transformers.utils import logging  # noqa: PLC0415 - optional
        except ImportError:
            raise MissingExtraError(f"The model `local:{self.folder}` in this process", "transformers", "train") from None
        loud = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder)
            model = AutoModelForCausalLM.from_pretrained(self.folder, dtype="auto").eval()
        finally:
            if loud:
                logging.enable_progress_bar()
        return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu")


@lru_cache(maxsize=2)
def _model_in(folder: str, times: tuple[int, ...]) -> _Model:
    """The model in a folder, checked and loaded once: an LM is copied for each sample of a search, and each copy asks for it. Of models
    that nobody asks any more two stay in memory."""
    if manifest_of(Path(folder)) is not None:
        verify(Path(folder))
    return _Model(folder)


def _answer(tokenizer: Any, model: Any, request: Request, given: Any, number: int) -> tuple[Choice, int]:
    import torch  # noqa: PLC0415 - optional

    options = request.options
    limit = int(options.get("max_tokens") or options.get("max_completion_tokens") or MAX_TOKENS)
    temperature = float(options.get("temperature") or 0.0)
    how: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        # The prompt is part of it: with the same luck for all prompts, samples of a whole search would be as few as its rollouts.
        about = (options.get("seed"), request.rollout_id, number, given["input_ids"].tolist())
        torch.manual_seed(zlib.crc32(repr(about).encode()))
        how = {"do_sample": True, "temperature": temperature, "top_p": float(options.get("top_p") or 1.0), "top_k": 0}
    with torch.no_grad():
        out = model.generate(**given, max_new_tokens=limit, pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id, **how)
    ids = out[0, given["input_ids"].shape[1] :]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    stop = options.get("stop")
    for mark in [stop] if isinstance(stop, str) else stop or ():
        text = text.partition(mark)[0]
    return Choice(text=text, finish_reason="length" if len(ids) >= limit else "stop"), len(ids)
