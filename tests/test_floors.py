"""A module imports only from floors below it, or from its own folder."""

import ast
from pathlib import Path

import pytest

import seqkit

ROOT = Path(seqkit.__file__).parent
FLOORS = [
    {"lengths", "metrics", "media", "parts"},
    {"layers", "search", "language", "results", "subtitles", "windows"},
    {"frontends", "encoders", "heads"},
    {"data"},
    {"training", "serving"},
    {"pipe", "chained"},
    {"tasks"},
    {"presets"},
    {""},
    {"cli", "recipes"},
]


def floor(module):
    name = module.split(".")[1] if "." in module else ""
    return next(level for level, names in enumerate(FLOORS) if name in names)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "seqkit":
                yield from (f"seqkit.{alias.name}" for alias in node.names)
            else:
                yield node.module


def module_of(path):
    return ".".join(["seqkit", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: module_of(path))
def test_imports_run_downwards(path):
    me = module_of(path)
    for other in imports(path):
        if other.split(".")[0] == "seqkit":
            same_folder = "." in me and me.split(".")[:2] == other.split(".")[:2]
            assert same_folder or floor(other) < floor(me), f"{me} imports {other}"


def test_the_law_would_catch_an_upward_import():
    assert floor("seqkit.heads.label") < floor("seqkit.training.loop") < floor("seqkit.pipe") < floor("seqkit.tasks.sentiment")


def test_every_module_has_a_floor_and_says_what_it_is_about():
    for path in FILES:
        assert floor(module_of(path)) >= 0
        if path.stat().st_size:
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
