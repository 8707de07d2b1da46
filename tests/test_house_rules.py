"""The house rules that no linter knows; each message says what to do instead. An exception is a line with its reason, here."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "whet"

FILE_LINES = 400
FUNCTION_LINES = 40

# Longer than the rule allows, with the reason; these lists only shrink.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

# Where threads and event loops may be started, and why there.
STARTS_WORK = {
    "core/flow.py": "the two drivers",
    "core/crew.py": "flows side by side",
    "testing/": "contract suites run models in both worlds, and servers for them",
    "core/http/": "the connections of each event loop",
    "sandbox/guest.py": "a program of its own, inside the jail",
    "tools/mcp.py": "the loop that the session of a server lives on",
}
# Where a ContextVar may be made: whoever reads one reads hidden state, so there are few.
CONTEXT_VARS = {
    "core/context.py": "the settings in force",
    "core/events.py": "which call is the parent of this one",
    "core/http/guard.py": "the tests' fence around a block",
}
# Who talks to a person.
PRINTS = {
    "cli/": "a command line prints",
    "evaluate/progress.py": "the one-line progress display",
    "evaluate/report.py": "the report writer",
    "optimize/report.py": "the report writer",
}
# Lazy doors import from a constant table of our own.
IMPORTS_BY_STRING = {
    "lazy.py": "names from the table of a package of ours",
    "compat/": "the table of old module paths",
}
# Code that a model wrote is compiled here, in a process that has no files, no network and no secrets.
RUNS_CODE = {
    "sandbox/guest.py": "the program inside the jail",
}

_THREAD_STARTERS = {
    "Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "InterpreterPoolExecutor", "start_new_thread",
    "new_event_loop", "run_until_complete", "run_forever", "set_event_loop", "to_thread", "run_in_executor",
}  # fmt: skip
_BANNED_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "nest_asyncio"}
_BANNED_FILES = re.compile(r"^(utils?|helpers?|common|managers?|misc|base_\w+|\w+_(utils?|helpers?|manager))$")
_BANNED_CLASSES = re.compile(r"Async|V\d+$|^New[A-Z]|^Legacy|^My[A-Z]|Manager$|Helper$|Utils?$")
_TEXT_IO = {"open", "read_text", "write_text", "fdopen", "NamedTemporaryFile", "TemporaryFile"}


@cache
def sources() -> dict[str, str]:
    """Every Python file of the package, by its path below it."""
    return {p.relative_to(PACKAGE).as_posix(): p.read_text(encoding="utf-8") for p in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(path: str) -> ast.Module:
    return ast.parse(sources()[path])


def outside(homes: dict[str, str]) -> list[str]:
    """The files that are in none of the `homes` (a home ending with a slash is a folder)."""
    return [p for p in sources() if not any(p == home or (home.endswith("/") and p.startswith(home)) for home in homes)]


def calls(path: str) -> Iterator[tuple[ast.Call, str, str]]:
    """Each call in the file, with the name called and what stands before its last dot."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node, node.func.id, ""
            elif isinstance(node.func, ast.Attribute):
                yield node, node.func.attr, ast.unparse(node.func.value)


def functions(path: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Each function of the file with its dotted name."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield prefix + child.name, child
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    return walk(tree(path), "")


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: documenting well is not what makes a function long."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        doc = node.body[0]
        lines -= (doc.end_lineno or doc.lineno) - doc.lineno + 1
    return lines


def report(found: list[str], rule: str) -> None:
    assert not found, rule + "\n  " + "\n  ".join(found)


def test_no_file_is_long() -> None:
    long = {p: text.count("\n") for p, text in sources().items() if text.count("\n") > FILE_LINES}
    report(
        [f"{p}: {n} lines" for p, n in long.items() if p not in LONG_FILES], f"A file past {FILE_LINES} lines holds two ideas: split it."
    )
    report([p for p in LONG_FILES if p not in long], "No longer long: take these off the list.")


def test_no_function_is_long() -> None:
    long = {f"{p}:{name}": n for p in sources() for name, node in functions(p) if (n := code_lines(node)) > FUNCTION_LINES}
    rule = f"A function past {FUNCTION_LINES} lines does two things: split it."
    report([f"{where}: {n} lines" for where, n in long.items() if where not in LONG_FUNCTIONS], rule)
    report([where for where in LONG_FUNCTIONS if where not in long], "No longer long: take these off the list.")


def test_only_the_drivers_start_threads_and_loops() -> None:
    found = [
        f"{p}:{node.lineno} {name}"
        for p in outside(STARTS_WORK)
        for node, name, before in calls(p)
        if name in _THREAD_STARTERS
        or (name == "run" and before == "asyncio")
        or (name in ("fork", "Process") and before in ("os", "multiprocessing"))
    ]
    report(found, "Threads and event loops are started by the drivers only: yield an effect instead, or list the home with its reason.")


def test_context_variables_have_few_homes() -> None:
    found = [f"{p}:{node.lineno}" for p in outside(CONTEXT_VARS) for node, name, _ in calls(p) if name == "ContextVar"]
    report(found, "A ContextVar is hidden state: put it into the settings, or list its home with the reason.")


def test_only_the_command_line_and_the_displays_print() -> None:
    found = [
        f"{p}:{node.lineno}"
        for p in outside(PRINTS)
        for node, name, before in calls(p)
        if (name == "print" and not before) or (name == "write" and before in ("sys.stdout", "sys.stderr"))
    ]
    report(found, "A library does not print: return a value, or raise, or log with `logging.getLogger('whet...')`.")


def test_nothing_is_unpickled_evaluated_or_imported_by_string() -> None:
    found = []
    for p in sources():
        for node in ast.walk(tree(p)):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            found += [f"{p}:{node.lineno} import {n}" for n in names if n.split(".")[0] in _BANNED_MODULES]
        if p in outside(RUNS_CODE):
            evaluated = ((n, name) for n, name, before in calls(p) if name in ("eval", "exec", "compile") and before in ("", "builtins"))
            found += [f"{p}:{n.lineno} {name}()" for n, name in evaluated]
        allow = p not in outside(IMPORTS_BY_STRING)
        found += [f"{p}:{n.lineno} {name}()" for n, name, _ in calls(p) if name in ("import_module", "__import__") and not allow]
    report(found, "Data is never code here: typed JSON instead of pickles, `ast.literal_eval` or a parser instead of `eval`.")


def test_what_users_do_is_not_checked_by_assert() -> None:
    found = [
        f"{p}:{node.lineno}"
        for p in outside({"testing/": "contract suites are tests"})
        for node in ast.walk(tree(p))
        if isinstance(node, ast.Assert) and node.msg is not None
    ]
    report(found, "`python -O` switches an `assert` off, so it is for what cannot be. A user's mistake is a `PreconditionError`.")


def test_text_files_are_utf8_on_every_machine() -> None:
    found = []
    for p in sources():
        for node, name, before in calls(p):
            if name not in _TEXT_IO or before in ("os", "self", "opener", "webbrowser", "zipfile", "tarfile", "urllib.request"):
                continue
            mode = next((k.value for k in node.keywords if k.arg == "mode"), None)
            position = 1 if (name == "open" and before in ("", "gzip", "io")) or name == "fdopen" else 0
            if mode is None and name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile") and len(node.args) > position:
                mode = node.args[position]
            binary = isinstance(mode, ast.Constant) and "b" in str(mode.value)
            binary = binary or (mode is None and name.endswith("TemporaryFile"))
            if not binary and not any(k.arg == "encoding" for k in node.keywords):
                found.append(f"{p}:{node.lineno} {name}")
    report(found, 'Text I/O names its encoding: encoding="utf-8".')


def test_names_say_what_is_inside() -> None:
    files = [p for p in sources() if _BANNED_FILES.match(Path(p).stem)]
    report(files, "A file is named after the idea it holds, not `utils` or `base_*`.")
    classes = [
        f"{p}:{node.lineno} {node.name}"
        for p in outside({"compat/": "old names live here"})
        for node in ast.walk(tree(p))
        if isinstance(node, ast.ClassDef) and _BANNED_CLASSES.search(node.name)
    ]
    report(classes, "A class is named after what it is: no Async, V2, New, Legacy, Manager, Helper.")


def test_no_note_to_self_is_left() -> None:
    found = [
        f"{p}:{i}"
        for p, text in sources().items()
        for i, line in enumerate(text.split("\n"), 1)
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line)
    ]
    report(found, "Do it, or open an issue and name it.")


def test_everything_public_says_what_it_is() -> None:
    found = []
    for p in sources():
        if ast.get_docstring(tree(p)) is None:
            found.append(f"{p}: the file")
        found += [f"{p}:{node.lineno} {name}" for name, node in public_definitions(p) if not is_documented(name, node)]
    report(found, "Every file and every public class and function has a docstring.")


def public_definitions(path: str) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Classes, functions and methods whose whole dotted name is public."""

    def walk(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
                yield prefix + node.name, node
                if isinstance(node, ast.ClassDef):
                    yield from walk(node.body, f"{prefix}{node.name}.")

    return walk(tree(path).body, "")


def is_documented(name: str, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it has a docstring, or repeats what has one: an overload, a setter, a method that another class documents."""
    repeats = any(ast.unparse(d).endswith(("overload", ".setter", "override")) for d in node.decorator_list)
    return ast.get_docstring(node) is not None or repeats or ("." in name and node.name in documented_methods())


@cache
def documented_methods() -> frozenset[str]:
    """The names of methods that some class of the package explains."""
    found = ((name, node) for p in sources() for name, node in public_definitions(p))
    return frozenset(node.name for name, node in found if "." in name and ast.get_docstring(node) is not None)


def test_the_reason_stands_beside_each_exception() -> None:
    rules = r"(?P<rules>:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[\w\-, ]+\])?"
    pattern = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:\s*ignore)" + rules + r"(?P<why>.*)$")
    found = [
        f"{p}:{i} {line.strip()[-60:]}"
        for p, text in sources().items()
        for i, line in enumerate(text.split("\n"), 1)
        if (m := pattern.search(line)) and (not m["rules"] or ("type:" not in m[0] and len(m["why"].strip(" -#")) < 8))
    ]
    report(found, "An exception to a rule names the rule, and its reason unless the rule says it all:  # noqa: BLE001 - why")


LAZY_PACKAGES = ("whet", "whet.evaluate", "whet.optimize")


def lazy_tables(package: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a package of lazy names hands out at run time, by module; and what it shows to type checkers: name to module."""
    table: dict[str, str] = {}
    shown: dict[str, str] = {}
    for node in tree("/".join([*package.split(".")[1:], "__init__.py"])).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            assert isinstance(node.value, ast.Call), ast.unparse(node)
            table = ast.literal_eval(node.value.args[1])
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                assert isinstance(line, ast.ImportFrom), ast.unparse(line)
                assert all(a.asname == a.name for a in line.names), ast.unparse(line)
                shown |= {a.name: line.module or "" for a in line.names}
    return table, shown


@pytest.mark.parametrize("package", LAZY_PACKAGES)
def test_lazy_names_are_sorted_and_shown_to_type_checkers(package: str) -> None:
    table, shown = lazy_tables(package)
    assert table, f"no _HOMES in {package}"
    assert list(table) == sorted(table), f"sort the lines of _HOMES in {package}"
    report([m for m, names in table.items() if names.split() != sorted(names.split())], f"Sort the names of these modules in {package}:")
    pairs = [(name, f"{package}.{module}") for module, names in table.items() for name in names.split()]
    homes = dict(pairs)
    assert len(homes) == len(pairs), f"twice in _HOMES of {package}: {sorted({n for n, _ in pairs if [m for m, _ in pairs].count(n) > 1})}"
    missing = [f"from {homes[n]} import {n} as {n}" for n in homes if shown.get(n) != homes[n]]
    report(missing, f"Add to the block for type checkers in {package}:")
    report([f"{n} (of {m})" for n, m in shown.items() if n not in homes], f"Add to _HOMES in {package}:")


def root_names() -> dict[str, str]:
    return {name: f"whet.{module}" for module, names in lazy_tables("whet")[0].items() for name in names.split()}


@pytest.mark.parametrize("name", sorted(root_names()))
def test_a_root_name_is_real(name: str) -> None:
    import whet

    assert getattr(whet, name) is not None
    assert name in dir(whet)
    home = __import__(root_names()[name], fromlist=[name])
    if name == "predict":  # a module at an old path, which is called as the function is (whet.compat.finder)
        assert callable(whet.predict)
        return
    assert getattr(home, name) is getattr(whet, name)


def test_a_misspelt_root_name_is_answered_with_the_right_one() -> None:
    import whet
    import whet.core.types

    with pytest.raises(AttributeError, match=r"did you mean `whet\.WhetError`"):
        _ = whet.WhetErorr  # type: ignore[attr-defined]
    with pytest.raises(AttributeError) as caught:
        _ = whet.WhetErorr  # type: ignore[attr-defined]
    assert "".join(traceback.format_exception(caught.value)).lower().count("did you mean") == 1
    with pytest.raises(AttributeError, match=r"did you mean `whet\.optimize\.LeReT`"):
        _ = whet.optimize.LeRet  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"did you mean `whet\.core\.types\.Audio`"):
        _ = whet.core.types.Audoi


def test_the_version_is_said_once_more_only_in_the_root() -> None:
    import whet

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == whet.__version__
    assert project["description"] == whet.__description__ and project["authors"] == [{"name": whet.__author__}]
    assert f"[{whet.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_optional_import_has_an_extra() -> None:
    """What the package imports is the standard library, a core dependency, or in an extra."""
    import sys

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(r for name, group in project["optional-dependencies"].items() if name != "dev" for r in group)]
    known = {re.split(r"[\[<>=~! ;]", r)[0].replace("-", "_").lower() for r in wanted}
    # imported under another name, or brought by one that is listed
    known |= {"whet", "opentelemetry", "pydantic_core", "typing_extensions", "annotated_types", "anyio", "httpx", "databricks", "google"}
    found = []
    for p in sources():
        for node in ast.walk(tree(p)):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            tops = {n.split(".")[0] for n in names}
            found += [f"{p}:{node.lineno} {t}" for t in tops if t not in sys.stdlib_module_names and t.lower() not in known]
    report(found, "Not a dependency and not in an extra of pyproject.toml:")


def test_nothing_that_a_page_wrote_stands_in_the_root() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git here")
    tracked = subprocess.run(
        ["git", "ls-files", "*.json", "*.jsonl", "*.csv", "*.html"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not [name for name in tracked.stdout.split() if "/" not in name]
