"""What a source archive holds is enough to install, to test and to run the demo from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ARCHIVED = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]


def test_the_source_archive_has_what_the_makefile_and_the_tests_name() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {path.split("/")[0] for path in re.findall(r"(?<![\w./-])((?:\.ci|src|tests|examples|bench|docs)/[\w./-]+)", makefile)}
    assert named <= set(ARCHIVED), named - set(ARCHIVED)
    for entry in ARCHIVED:
        assert (ROOT / entry).exists(), entry


def test_errors_name_extras_that_exist() -> None:
    extras = set(PROJECT["project"]["optional-dependencies"])
    for path in (ROOT / "src").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        named = set(re.findall(r"whet\[([a-z0-9,-]+)\]", source)) | set(re.findall(r'MissingExtraError\([^)]*,\s*"([a-z0-9-]+)"\)', source))
        wrong = {one for name in named for one in name.split(",")} - extras
        assert not wrong, (path, wrong)
