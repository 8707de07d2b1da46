"""Runs the tools that a model asked for; whatever goes wrong becomes text for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whet.core.flow import Flow, Job, side_by_side
from whet.errors import BudgetExceeded
from whet.modules.trajectory import ToolUse
from whet.tools.failure import error_text
from whet.tools.tool import Tool

__all__ = ["run_tools"]

_FRAMES = 5


def run_tools(tools: Mapping[str, Tool], uses: Sequence[ToolUse]) -> Flow[None]:
    """Make the calls, several side by side, and put what they gave into them.

    A tool that raises gives its error as text; only `BudgetExceeded` goes on.
    """
    if len(uses) == 1:
        yield from _run(tools, uses[0])
        return
    yield from side_by_side(*[_job(tools, use) for use in uses])


def _job(tools: Mapping[str, Tool], use: ToolUse) -> Job:
    return lambda: _run(tools, use)


def _run(tools: Mapping[str, Tool], use: ToolUse) -> Flow[None]:
    use.done = True
    tool = tools.get(use.name)
    if tool is None or use.damage:
        use.is_error = True
        known = f"Unknown tool: {use.name}. There are: {', '.join(tools)}."
        use.observation = known if tool is None else f"The arguments of `{use.name}` could not be read: {use.damage}"
        return
    try:
        use.observation = yield from tool.flow(**{str(name): value for name, value in use.args.items()})
    except BudgetExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a tool raises is the model's to see
        use.is_error = True
        use.observation = f"Execution error in {use.name}: {error_text(error, _FRAMES)}"
