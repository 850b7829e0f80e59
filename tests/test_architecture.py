"""Tests of the rules of the design: which module may import which, and how large a file may be."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import sinefield

ROOT = Path(sinefield.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
TREE = sorted(
    path
    for folder in ("src", "tests", "benchmarks", "examples", "docs")
    for path in (Path(__file__).parents[1] / folder).rglob("*.py")
)
EQUATION = (
    "fields/field",
    "fields/chain",
    "fields/siren",
    "jet_views",
    "jet",
    "domains/domain",
    "norms",
    "constraint",
    "problem",
    "sampler",
    "objective",
    "solvers/solver",
    "recipe",
    "fit",
    "solve",
)

# Which modules each module may import, in order: each only what stands before it. A sub-package counts as one module,
# `__init__` is the package itself, which imports its public names when they are used.
ARROWS: dict[str, set[str]] = {
    "__init__": set(),
    # what knows nothing of fields: tables, files and numbers
    "imports": set(),
    "quantities": set(),
    "expressions": set(),
    "kinds": {"quantities"},
    "laws": {"kinds"},
    "io": set(),
    "metrics": set(),
    # the equation
    "fields": set(),
    "kernels": {"fields"},
    "jet_views": {"fields"},
    "jet": {"fields", "jet_views", "kernels"},
    "domains": set(),
    "conditions": {"domains", "fields"},
    "norms": set(),
    "constraint": {"domains", "fields", "jet", "jet_views", "norms"},
    "problem": {"constraint"},
    "randomness": set(),
    "sampler": {"domains", "randomness"},
    "factors": {"fields", "kernels"},
    "linearisation": {"domains", "factors"},
    "objective": {"constraint", "domains", "fields", "jet", "kernels", "linearisation"},
    "residuals": {"constraint", "domains", "fields", "jet", "linearisation", "objective"},
    "solvers": {"constraint", "domains", "fields", "kernels", "linearisation", "objective", "randomness", "residuals"},
    "goal": set(),
    "recipe": {"goal", "solvers"},
    "history": set(),
    "approach": {"goal", "history", "recipe"},
    "snapshot": {"domains", "history", "problem"},
    "checkpoint": {"fields", "io", "snapshot"},
    "verdict": set(),
    "solution": {"__init__", "checkpoint", "history", "kinds", "problem", "recipe", "snapshot", "solvers", "verdict"},
    "fit": {
        "approach",
        "constraint",
        "domains",
        "history",
        "kernels",
        "objective",
        "problem",
        "recipe",
        "sampler",
        "solution",
        "solvers",
    },
    "resuming": {"constraint", "fields", "fit", "history", "kernels", "objective", "snapshot"},
    "search": {
        "checkpoint",
        "fit",
        "history",
        "kernels",
        "objective",
        "problem",
        "recipe",
        "resuming",
        "snapshot",
        "solution",
    },
    "threads": {"fit", "objective", "solvers"},
    "solve": {"constraint", "fit", "history", "problem", "recipe", "search", "solution", "threads"},
    "many": {"constraint", "domains", "fields", "norms", "problem", "recipe", "solution", "solve"},
    "cost": {"constraint", "domains", "fit", "kernels", "objective", "problem", "recipe"},
    # what it is used for
    "geometry": {"domains", "io", "jet"},
    "signals": {"domains", "fields", "geometry", "io", "jet", "jet_views", "quantities", "randomness"},
    "problems": {
        "constraint",
        "domains",
        "expressions",
        "fields",
        "geometry",
        "io",
        "jet",
        "jet_views",
        "kinds",
        "metrics",
        "norms",
        "objective",
        "problem",
        "quantities",
        "randomness",
        "recipe",
        "residuals",
        "sampler",
        "signals",
        "solvers",
    },
    "short_sounds": {"fields"},
    "collection": {
        "__init__",
        "checkpoint",
        "domains",
        "fields",
        "io",
        "kinds",
        "problems",
        "short_sounds",
        "signals",
        "solve",
    },
    "priors": {
        "__init__",
        "checkpoint",
        "collection",
        "constraint",
        "domains",
        "fields",
        "io",
        "jet_views",
        "problem",
        "recipe",
        "sampler",
        "short_sounds",
        "signals",
        "solution",
        "solve",
        "solvers",
    },
    "export": {"__init__", "checkpoint", "fields", "io", "kinds", "signals"},
    "foreign": {"fields", "kinds", "signals"},
    "plots": {
        "domains",
        "fields",
        "geometry",
        "history",
        "io",
        "jet",
        "kinds",
        "metrics",
        "problem",
        "problems",
        "quantities",
        "signals",
        "solution",
    },
    "viewer": {"__init__", "checkpoint", "domains", "fields", "geometry", "io", "kinds", "quantities", "signals"},
    "integrations": {
        "checkpoint",
        "fields",
        "jet",
        "kinds",
        "quantities",
        "signals",
        "solution",
        "viewer",
    },
    "callbacks": {"history", "io", "plots", "problem", "solution"},
    "cli": {
        "__init__",
        "callbacks",
        "checkpoint",
        "collection",
        "cost",
        "export",
        "fields",
        "foreign",
        "imports",
        "io",
        "kinds",
        "laws",
        "plots",
        "priors",
        "problems",
        "search",
        "signals",
        "solution",
        "solve",
        "viewer",
    },
    "__main__": {"cli"},  # the command line again, as `python -m sinefield`
}
HIGH = {"__main__", "cli", "callbacks", "plots"}
CORE = tuple(ARROWS)[tuple(ARROWS).index("fields") : tuple(ARROWS).index("geometry")]


def module_of(path: Path) -> str:
    """Return the top-level module that a source file belongs to."""
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported(tree: ast.Module, path: Path) -> set[str]:
    """Return the top-level modules of ours that a file imports, anywhere in it."""
    submodules = {module_of(each) for each in SOURCES} - {"__init__"}
    found: set[str] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(level=0, module="sinefield"):
                names = [f"sinefield.{a.name}" if a.name in submodules else "sinefield" for a in node.names]
            case ast.ImportFrom(level=0):
                names = [str(node.module)]
            case ast.ImportFrom():
                pytest.fail(f"{path.name} imports relatively; name the package in full")
        for name in names:
            parts = name.split(".")
            if parts[0] == "sinefield":
                found.add(parts[1] if len(parts) > 1 else "__init__")
    return found


def typing_only(tree: ast.Module) -> ast.Module:
    """Return the tree without what only a type checker reads."""
    kept = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
    ]
    return ast.Module(body=kept, type_ignores=[])


def code_lines(path: Path) -> int:
    """Return how many lines of a file hold code: neither blank, nor comment, nor docstring."""
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in layout:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                lines -= set(range(statement.lineno, int(statement.end_lineno or statement.lineno) + 1))
    return len(lines)


def test_every_module_has_a_place() -> None:
    unknown = {module_of(path) for path in SOURCES} - set(ARROWS)
    assert not unknown, f"give {sorted(unknown)} a place among the arrows of this test"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    module = module_of(path)
    tree = typing_only(ast.parse(path.read_text(encoding="utf-8")))
    forbidden = imported(tree, path) - ARROWS.get(module, set()) - {module}
    assert not forbidden, f"{module} must not import {sorted(forbidden)}"


def test_arrows_only_go_up_the_list() -> None:
    order = list(ARROWS)
    for module, arrows in ARROWS.items():
        below = [each for each in arrows if order.index(each) >= order.index(module)]
        assert not below, f"{module} must not import {sorted(below)}, which stand below it"


def test_no_arrow_is_idle() -> None:
    used: dict[str, set[str]] = {module: set() for module in ARROWS}
    for path in SOURCES:
        used[module_of(path)] |= imported(typing_only(ast.parse(path.read_text(encoding="utf-8"))), path)
    idle = {module: arrows - used[module] for module, arrows in ARROWS.items() if arrows - used[module]}
    assert not idle, f"nothing needs these arrows: {idle}"


def test_the_equation_knows_nothing_of_what_it_is_used_for() -> None:
    uses = (
        set(ARROWS) - set(CORE) - {"__init__", "imports", "quantities", "kinds", "laws", "expressions", "io", "metrics"}
    )
    assert {"problems", "signals", "geometry", "plots", "cli"} <= uses
    assert not {module: ARROWS[module] & uses for module in CORE if ARROWS[module] & uses}
    assert {module for module in CORE if "io" in ARROWS[module]} == {
        "checkpoint"
    }  # whose files are whole or not at all


def test_only_the_command_line_is_above_everything() -> None:
    for module, arrows in ARROWS.items():
        assert "cli" not in arrows or module == "__main__"
        assert module in HIGH or not arrows & HIGH, f"{module} is of the core and imports {arrows & HIGH}"


def test_imports_are_seen_wherever_they_stand() -> None:
    tree = ast.parse("import sinefield.plots\ndef late():\n    from sinefield import jet, __version__\n    import os\n")
    assert imported(tree, Path("example.py")) == {"plots", "jet", "__init__"}


def test_no_drawers() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [path.name for path in SOURCES if path.stem in drawers or path.parent.name in drawers]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_the_equation_is_short() -> None:
    assert sum(code_lines(ROOT / f"{module}.py") for module in EQUATION) <= 1500


def test_code_lines_leave_out_what_is_no_code(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(
        '"""Doc."""\n\n# why\nx = """a\nb"""\n\n\ndef f():\n    """Doc,\n    more."""\n    return x  # yes\n'
    )
    assert code_lines(path) == 4


@pytest.mark.parametrize("module", ["sinefield", "sinefield.cli"])
def test_torch_is_imported_late(module: str) -> None:
    script = f"import sys, {module}; print(sorted({{'torch', 'matplotlib', 'scipy'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "[]"


def test_inheritance_is_at_most_two_deep() -> None:
    classes: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
                classes[node.name] = classes.get(node.name, []) + bases

    def depth(name: str) -> int:
        return 1 + max((depth(base) for base in classes[name] if base in classes and base != name), default=0)

    assert {name: depth(name) for name in classes if depth(name) > 2} == {}
    assert depth("Grid") == 2  # FiniteDomain, and Grid


# The formatter, and private parts of others


@pytest.mark.parametrize("folder", sorted({str(path.parent) for path in TREE}), ids=lambda each: Path(each).name)
def test_the_formatter_is_not_fought(folder: str) -> None:
    fought = [
        f"{path.name}:{token.start[0]}"
        for path in TREE
        if str(path.parent) == folder
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        if token.type == tokenize.COMMENT and re.search(r"(fmt|yapf):\s*(skip|off)", token.string)
    ]
    assert not fought


def private_names_of_torch(tree: ast.Module) -> set[str]:
    """Return the dotted names of torch, or of what is imported from it, that have a part of one underscore."""
    theirs = {"torch"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "torch":
            theirs |= {alias.asname or alias.name for alias in node.names}
    found: set[str] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            case ast.Attribute():
                names = [ast.unparse(node)]
        for name in names:
            first, *others = name.split(".")
            if first in theirs and any(re.match(r"_(?!_)", part) for part in others):
                found.add(name)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_private_part_of_torch_is_used(path: Path) -> None:
    assert private_names_of_torch(ast.parse(path.read_text(encoding="utf-8"))) == set()


def test_private_parts_of_torch_are_seen() -> None:
    text = (
        "import torch\nfrom torch import nn, _C\nx = torch._C.y\nnn.init._z(x)\nself._own\ntorch.func.vmap\nx.__len__"
    )
    assert private_names_of_torch(ast.parse(text)) == {"torch._C", "torch._C.y", "nn.init._z"}
