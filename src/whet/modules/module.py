"""`Module`: a program, made of predictors and other modules."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from whet.core.context import active_modules, context, current
from whet.core.events import CallInputs, observed
from whet.core.flow import Flow, Invoke, adrive, drive
from whet.core.param import VALUES, Learnt, Param
from whet.core.records import Prediction
from whet.core.replay import attempted
from whet.core.trace import History
from whet.errors import ConfigurationError
from whet.modules.forward import complete, undecorated

if TYPE_CHECKING:
    from typing import ParamSpec

    from whet.modules.predict import Predict
    from whet.modules.streaming.stream import Stream

    P = ParamSpec("P")
    R_co = TypeVar("R_co", covariant=True)

    class HasForward(Protocol[P, R_co]):
        """A module as a checker sees it: what its `forward` takes and gives is what its call takes and gives."""

        @property
        def forward(self) -> Callable[P, R_co]: ...


__all__ = ["Module"]

_logger = logging.getLogger(__name__)
M = TypeVar("M", bound="Module")


class Module:
    """A program: write `forward` (and, if you like, `async def aforward`) in plain Python and call the module itself.

    Modules inside of it, also in lists and dicts, are found by name, so that optimizers can improve them.

    >>> class Shout(Module):
    ...     def forward(self, text):
    ...         return text.upper()
    >>> Shout()(text="hello")
    'HELLO'
    """

    callbacks: list[Any]
    history: History
    _compiled: bool
    # `forward` and `aforward` as they were made of a class's flow.
    _made: ClassVar[tuple[Any, Any] | None] = None
    # Whether what it calls is counted and watched as if it stood alone; so for modules that only run others side by side.
    _transparent: bool = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        complete(cls, Module)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Set here, so that a subclass whose `__init__` forgets `super().__init__()` works all the same.
        self = super().__new__(cls)
        self.callbacks, self.history, self._compiled = [], History(), False
        return self

    def __init__(self, callbacks: Sequence[Any] | None = None) -> None:
        if callbacks:
            self.callbacks = list(callbacks)

    # -- calling -------------------------------------------------------------------------------------------------------

    if TYPE_CHECKING:
        forward: Callable[..., Any]
        aforward: Callable[..., Awaitable[Any]]

        def __call__(self: HasForward[P, R_co], /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
        async def acall(self: HasForward[P, R_co], /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    else:

        def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
            """Run the program."""
            return drive(self.run_flow(args, kwargs))

        async def acall(self, /, *args: Any, **kwargs: Any) -> Any:
            """Run the program from async code."""
            return await adrive(self.run_flow(args, kwargs))

    def stream(self, /, **inputs: Any) -> Stream:
        """Run the program and give what happens as it happens: fields as they come, tools, status, usage, and `done`.

        For `for` and for `async for`; see `whet.streaming.Stream`.
        """
        from whet.modules.streaming.stream import Stream  # noqa: PLC0415 - only programs that stream need it

        return Stream(self, inputs)

    astream = stream

    def flow(self, /, *args: Any, **kwargs: Any) -> Flow[Any]:
        """What a call does, as a flow. Users write `forward`; modules of whet's own write this instead."""
        forward, aforward = getattr(self, "forward", None), getattr(self, "aforward", None)
        if forward is None and aforward is None:
            raise NotImplementedError(f"`{type(self).__name__}` must define `forward` (or `async def aforward`).")
        function: Any = undecorated(forward or aforward)
        run, result = yield from attempted(Invoke(function, args, kwargs, twin=aforward and undecorated(aforward)))
        if run.suggestions and isinstance(result, Prediction):
            result.note_suggestions(run.suggestions)
        return result

    def run_flow(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Flow[Any]:
        """A call with everything around it: callbacks, history, usage."""
        if current().track_usage and not self._transparent and all(module._transparent for module in active_modules.get()):
            return self._tracked(args, kwargs)
        return self._watched(args, kwargs)

    def _watched(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Flow[Any]:
        made = self._made
        # Not by `self.__dict__`: an object whose dict was asked for is slower from then on.
        if made is None or (getattr(self.forward, "__func__", None) is made[0] and type(self).aforward is made[1]):
            flow = self.flow(*args, **kwargs)
        else:  # somebody put another `forward` in the place of the one that whet made of the flow
            flow = Module.flow(self, *args, **kwargs)
        if (self.callbacks or current().callbacks) and not self._transparent:
            flow = observed("module", self, CallInputs(args, kwargs), flow)
        outer = active_modules.get()
        active_modules.set((*outer, self))
        try:
            return (yield from flow)
        finally:
            active_modules.set(outer)

    def _tracked(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Flow[Any]:
        from whet.lm.usage import UsageTracker  # noqa: PLC0415 - only programs that count tokens need it

        tracker = UsageTracker(current().usage_tracker)
        with context(usage_tracker=tracker):
            result = yield from self._watched(args, kwargs)
        if isinstance(result, Prediction):
            result.set_lm_usage(tracker.get_total_tokens())
        else:
            _logger.warning(
                "`%s` returned a %s: read its usage with `whet.track_usage()`, or return a Prediction, which has `get_lm_usage()`.",
                type(self).__name__,
                type(result).__name__,
            )
        return result

    def batch(  # noqa: PLR0913 - the arguments that people know
        self,
        examples: Sequence[Any],
        num_threads: int | None = None,
        max_errors: int | None = None,
        return_failed_examples: bool = False,
        provide_traceback: bool | None = None,
        disable_progress_bar: bool = False,
        timeout: float | None = None,
        straggler_limit: int = 3,
    ) -> Any:
        """Call the program on the inputs of many examples side by side; results in order.

        A failed example gives `None`; with `return_failed_examples` the result is `(results, failed_examples, exceptions)`.
        """
        from whet.modules.parallel import Parallel  # noqa: PLC0415 - `Parallel` is a module itself

        parallel = Parallel(
            num_threads=num_threads,
            max_errors=max_errors,
            return_failed_examples=return_failed_examples,
            provide_traceback=provide_traceback,
            disable_progress_bar=disable_progress_bar,
            timeout=timeout,
            straggler_limit=straggler_limit,
        )
        return parallel([(self, example) for example in examples])

    async def abatch(self, examples: Sequence[Any], **options: Any) -> Any:
        """`batch` from async code."""
        from whet.modules.parallel import Parallel  # noqa: PLC0415 - `Parallel` is a module itself

        return await Parallel(**options).acall([(self, example) for example in examples])

    def activate_assertions(self, handler: Any = None, **options: Any) -> Self:
        """The program itself, for programs written against DSPy 2: `whet.Assert` and `whet.Suggest` are always active.

        >>> program = Module()
        >>> program.activate_assertions() is program
        True
        """
        return self

    # -- looking inside ------------------------------------------------------------------------------------------------

    def named_predictors(self) -> list[tuple[str, Predict]]:
        """Every predictor that optimizers may change, with its path; those in compiled sub-modules are frozen and left out."""
        from whet.modules.tree import leaves_of  # noqa: PLC0415 - the tree knows all kinds of module

        return list(leaves_of(self))

    def predictors(self) -> list[Predict]:
        """The predictors of `named_predictors()`."""
        return [predictor for _, predictor in self.named_predictors()]

    named_parameters = named_predictors

    def parameters(self) -> list[Predict]:
        """The same as `predictors()`."""
        return self.predictors()

    def named_sub_modules(self, type_: type | None = None, skip_compiled: bool = False) -> Any:
        """Every module of the tree with its path, this one as `self`, breadth first."""
        from whet.modules.tree import sub_modules  # noqa: PLC0415 - the tree knows all kinds of module

        return sub_modules(self, type_, skip_compiled)

    def params(self) -> dict[str, Learnt]:
        """What may be learnt, by predictor."""
        return {name: predictor.param for name, predictor in self.named_predictors()}

    def registered(self) -> dict[str, Param]:
        """The `Param`s that this program registers, by path; one that stands in several places has the first."""
        from whet.modules.tree import registered_in  # noqa: PLC0415 - the tree knows all kinds of module

        return {paths[0]: param for paths, param in registered_in(self)}

    def bind(self: M, params: Mapping[str, Learnt], values: Mapping[str, str] | None = None) -> M:
        """A copy of the program with these learnt parts, and these `values` (texts or names of choices) of what it registers.

        The program itself stays as it is. Raises `ConfigurationError` for a name that is no predictor, or not registered.
        """
        new = self.deepcopy()
        if values:
            from whet.modules.tree import set_registered  # noqa: PLC0415 - the tree knows all kinds of module

            set_registered(new, values)
        predictors = dict(new.named_predictors())
        for name, param in params.items():
            if name not in predictors:
                raise ConfigurationError(f"There is no predictor `{name}` in this program; there are: {', '.join(predictors) or 'none'}.")
            predictors[name].param = param
        return new

    def map_named_predictors(self: M, func: Callable[[Predict], Any]) -> M:
        """Replace every predictor by what `func` makes of it; returns this module."""
        from whet.modules.tree import replace_predictors  # noqa: PLC0415 - the tree knows all kinds of module

        replace_predictors(self, func)
        return self

    @staticmethod
    def set_attribute_by_name(obj: Any, name: str, value: Any) -> None:
        """Assign along a path such as `a.b[0]['k']`."""
        from whet.modules.tree import set_by_path  # noqa: PLC0415 - the tree knows all kinds of module

        set_by_path(obj, name, value)

    def set_lm(self, lm: Any) -> None:
        """Bind a model to every predictor; it wins over the ambient one."""
        for predictor in self.predictors():
            predictor.lm = lm

    def get_lm(self) -> Any:
        """The model bound to all predictors, `None` if there is none. Raises `ConfigurationError` if they differ."""
        lms = [predictor.lm for predictor in self.predictors()]
        if any(lm is not lms[0] for lm in lms):
            raise ConfigurationError(
                f"The predictors use different models: {', '.join(repr(lm) for lm in lms)}. Ask each of them for its `lm`."
            )
        return lms[0] if lms else None

    def deepcopy(self: M) -> M:
        """A copy: modules and data anew, models shared; what cannot be copied (a lock, a client) is shared too."""
        from whet.modules.tree import copied  # noqa: PLC0415 - the tree knows all kinds of module

        return copied(self)  # type: ignore[return-value]

    def __deepcopy__(self: M, memo: dict[int, Any]) -> M:
        return self.deepcopy()

    def reset_copy(self: M) -> M:
        """A copy whose predictors have no demos and no model of their own."""
        new = self.deepcopy()
        for predictor in new.predictors():
            predictor.reset()
        return new

    def render(self, /, **inputs: Any) -> Any:
        """Exactly what the first predictor that these inputs reach would send, as messages; no model is called.

        The list has the whole `request` as an attribute, and in `predictor` who would send it.
        """
        from whet.modules.rendering import rendered  # noqa: PLC0415 - only people who look need it

        return rendered(self, inputs)

    def inspect_history(self, n: int = 1, file: Any = None) -> None:
        """Print the last `n` model calls of this program."""
        from whet.lm.inspect import print_history  # noqa: PLC0415 - only people who look need it

        print_history(self.history, n, file)

    # -- saving --------------------------------------------------------------------------------------------------------

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """The state of every predictor, by path, and of what the program registers."""
        state = {name: predictor.dump_state(json_mode) for name, predictor in self.named_predictors()}
        values = {name: param.label for name, param in self.registered().items()}
        return {**state, VALUES: values} if values else state

    def load_state(self, state: Mapping[str, Any], **options: Any) -> None:
        """Restore `dump_state()`; if any part does not fit, nothing is changed."""
        from whet.modules.state import restore  # noqa: PLC0415 - reads files, which most programs do not

        restore(self, state, **options)

    def save(self, path: Any, save_program: bool = False, modules_to_serialize: Any = None) -> None:
        """Write the program's state as versioned JSON: instructions, demos, model names; never keys or endpoints."""
        from whet.modules.state import save  # noqa: PLC0415 - reads files, which most programs do not

        save(self, path, save_program)

    def load(self, path: Any, *, force: bool = False, **options: Any) -> None:
        """Read a state written by `save` (or by DSPy) into this program.

        Raises `StateError` that lists every difference when the program's fields have changed since; `force=True` loads what fits.
        """
        from whet.modules.state import load_into  # noqa: PLC0415 - reads files, which most programs do not

        load_into(self, path, force=force, allow_unsafe_lm_state=bool(options.get("allow_unsafe_lm_state")))

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("history", "callbacks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, history=History(), callbacks=[])

    def __repr__(self) -> str:
        return "\n".join(f"{name} = {predictor!r}" for name, predictor in self.named_predictors()) or f"{type(self).__name__}()"
