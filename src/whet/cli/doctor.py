"""`whet doctor`: what is ready to be used here - sandboxes, providers, extras - and what to do about the rest."""

from __future__ import annotations

import argparse
import json
import platform
from typing import Any

from whet import __version__
from whet.core.extras import check_extras
from whet.lm.readiness import check_providers
from whet.sandbox import check_backends

__all__ = ["add", "report"]


def add(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("doctor", help="what is ready here: sandboxes, providers, extras")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--all", action="store_true", help="also the providers without a key")
    parser.set_defaults(run=run)


def report() -> dict[str, Any]:
    """Everything that was found, as plain data; no key, only the names of the variables that hold one."""
    return {
        "whet": __version__,
        "python": platform.python_version(),
        "sandboxes": [
            {"name": s.name, "ready": s.ready, "version": s.version, "gives": s.gives, "missing": s.missing, "install": s.install}
            for s in check_backends()
        ],
        "providers": [
            {"name": p.name, "ready": p.ready, "key": p.found, "looks_in": list(p.key_env), "key_optional": p.key_optional}
            for p in check_providers()
        ],
        "extras": [{"name": e.name, "ready": e.ready, "installed": dict(e.installed), "missing": list(e.missing)} for e in check_extras()],
    }


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 1 when no sandbox can run."""
    found = report()
    print(json.dumps(found, indent=2) if arguments.json else "\n".join(_lines(found, show_all=arguments.all)))
    return 0 if any(sandbox["ready"] for sandbox in found["sandboxes"]) else 1


def _lines(found: dict[str, Any], *, show_all: bool) -> list[str]:
    lines = [f"whet {found['whet']} on Python {found['python']}", "", "Sandboxes"]
    for one in found["sandboxes"]:
        lines.append(
            _line(one, f"{one['version']} {one['gives']}".strip() if one["ready"] else f"needs {one['missing']}: {one['install']}")
        )
    lines += ["", "Models", _line({"name": "embedded", "ready": True}, 'always there: whet.LM("embedded")')]
    for one in found["providers"]:
        if one["key"] or show_all:
            state = f"key in {one['key']}" if one["key"] else "no key needed" if one["key_optional"] else f"set {one['looks_in'][0]}"
            lines.append(_line(one, state))
    rest = sum(not one["key"] for one in found["providers"])
    if rest and not show_all:
        lines.append(f"  ({rest} more providers have no key here: whet doctor --all)")
    lines += ["", "Extras"]
    for one in found["extras"]:
        have = ", ".join(f"{name} {version}" for name, version in one["installed"].items())
        lines.append(_line(one, have if one["ready"] else f"pip install 'whet[{one['name']}]'"))
    return lines


def _line(one: dict[str, Any], state: str) -> str:
    return f"  {'ok' if one['ready'] else '--'} {one['name']:<14} {state}"
