"""`Ensemble`: several programs as one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from whet.core.context import current
from whet.core.flow import Flow, Gather, Invoke, Job
from whet.errors import ConfigurationError
from whet.modules.module import Module

__all__ = ["Ensemble", "EnsembledProgram"]


class Ensemble:
    """Makes one program of several: it calls all of them, or `size` chosen at random, and gives `reduce_fn(outputs)`, or the list.

    `whet.majority` is a usual `reduce_fn`. `seed` makes the choice repeatable. `deterministic=True` (a choice by the inputs) is not there.

    >>> Ensemble(reduce_fn=sum).compile([lambda x: x, lambda x: 10 * x])(x=2)
    22
    """

    def __init__(
        self, *, reduce_fn: Callable[[list[Any]], Any] | None = None, size: int | None = None, deterministic: bool = False, seed: int = 0
    ) -> None:
        assert not deterministic, "A choice that depends on the inputs (`deterministic=True`) is not there; use `seed`."
        if size is not None and size < 1:
            raise ConfigurationError(f"`size` is {size}; at least 1 program must be called.")
        self.reduce_fn, self.size, self.seed = reduce_fn, size, seed

    def compile(self, programs: Sequence[Any]) -> EnsembledProgram:
        """The program that asks these."""
        return EnsembledProgram(programs, self.reduce_fn, self.size, self.seed)


class EnsembledProgram(Module):
    """Calls its `programs` side by side; made by `Ensemble`."""

    def __init__(self, programs: Sequence[Any], reduce_fn: Callable[[list[Any]], Any] | None, size: int | None, seed: int) -> None:
        super().__init__()
        self.programs = list(programs)
        self.reduce_fn, self.size = reduce_fn, size
        self.random = random.Random(seed)

    def flow(self, /, *args: Any, **kwargs: Any) -> Flow[Any]:
        """What the programs give, reduced."""
        chosen = self.random.sample(self.programs, min(self.size, len(self.programs))) if self.size else self.programs

        def jobs() -> Iterator[Job]:
            for program in chosen:
                yield _job(program, args, kwargs)

        outputs = yield Gather(jobs(), limit=current().num_threads)
        for output in outputs:
            if isinstance(output, Exception):
                raise output
        return outputs if self.reduce_fn is None else (yield Invoke(self.reduce_fn, (outputs,)))


def _job(program: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job:
    if isinstance(program, Module) and type(program).__call__ is Module.__call__:
        return lambda: program.run_flow(args, kwargs)
    return lambda: _invoked(program, args, kwargs)


def _invoked(program: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Any]:
    return (yield Invoke(program, args, kwargs, twin=getattr(program, "acall", None)))
