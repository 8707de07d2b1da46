"""`Answering`: what a type checker knows of modules that are made from a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whet.core.records import Prediction
from whet.modules.module import Module

__all__ = ["Answering", "Coding", "P", "R", "Untyped"]

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Generic, TypeAlias, overload

    from typing_extensions import ParamSpec, TypeVar

    from whet.core.signature import Signature
    from whet.sandbox import CodeInterpreter

    # What a call takes and gives, by the signature: for a class statement its inputs and outputs, for text anything and a `Prediction`.
    P = ParamSpec("P", default=...)
    R = TypeVar("R", default=Prediction)
    Untyped: TypeAlias = str | Mapping[str, Any] | Signature

    class Answering(Module, Generic[P, R]):
        """A module whose call takes the inputs of a signature and gives its outputs."""

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
        async def acall(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    class Coding(Answering[P, R]):
        """One whose call may begin with an interpreter of the caller's own."""

        @overload
        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
        @overload
        def __call__(self, interpreter: CodeInterpreter, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
        def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...
        @overload
        async def acall(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
        @overload
        async def acall(self, interpreter: CodeInterpreter, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
        async def acall(self, /, *args: Any, **kwargs: Any) -> Any: ...
else:
    # What `typing.get_type_hints` finds in the annotations of the modules.
    P, R, Untyped = ..., Any, Any

    class Answering(Module):
        """A module whose call takes the inputs of a signature and gives its outputs."""

        def __class_getitem__(cls, item: Any) -> Any:
            return cls

    Coding = Answering
