"""Tests of the rules of the design: which module may import which, and how large a file may be."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import sinefield

ROOT = Path(sinefield.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
EQUATION = ("siren", "jet", "domains", "constraint", "recipe", "solve")

# Which modules each module may import; a sub-package counts as one module, `__init__` is the package itself.
ARROWS: dict[str, set[str]] = {
    "__init__": set(),  # it imports its public names when they are used
    "siren": set(),
    "domains": set(),
    "loading": set(),
    "optimisers": set(),
    "recipe": {"optimisers"},
    "metrics": set(),
    "spectrum": set(),
    "io": set(),
    "tiled": {"siren"},
    "networks": {"siren", "tiled"},
    "kernels": {"networks", "siren", "tiled"},
    "evaluation": {"tiled"},
    "jet": {"kernels"},
    "surface": {"evaluation", "jet", "io"},
    "constraint": {"jet", "domains", "kernels"},
    "checkpoint": {"networks", "io"},
    "solution": {"checkpoint", "constraint", "recipe", "__init__"},
    "system": {"constraint", "domains", "jet", "kernels"},
    "descent": {"constraint", "kernels", "recipe", "solution", "system"},
    "solve": {"solution", "constraint", "descent", "kernels", "recipe", "system"},
    "estimate": {"constraint", "descent", "domains", "kernels", "recipe", "solve", "system"},
    "problems": {
        "spectrum",
        "constraint",
        "domains",
        "evaluation",
        "io",
        "metrics",
        "jet",
        "networks",
        "surface",
        "tiled",
    },
    "activations": {"networks", "siren"},
    "plots": {
        "activations",
        "constraint",
        "domains",
        "evaluation",
        "io",
        "jet",
        "metrics",
        "problems",
        "recipe",
        "solution",
        "networks",
        "surface",
    },
    "observers": {"constraint", "io", "plots", "solution"},
    "report": {"solution", "checkpoint", "io"},
    "options": {"io", "loading", "plots", "surface"},
}
ARROWS["cli"] = set(ARROWS)  # only the command line imports everything
ARROWS["__main__"] = {"cli"}  # the command line again, as `python -m sinefield`
HIGH = {"__main__", "cli", "options", "loading", "report", "plots", "observers", "activations"}


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


def test_arrows_form_no_cycle() -> None:
    left = {module: set(arrows) - {module, "__init__"} for module, arrows in ARROWS.items()}
    while ready := [module for module, arrows in left.items() if not arrows & left.keys()]:
        for module in ready:
            del left[module]
    assert not left, f"these modules import each other in a circle: {sorted(left)}"


def test_only_the_command_line_is_above_everything() -> None:
    for module, arrows in ARROWS.items():
        assert "cli" not in arrows or module == "__main__"
        assert "__main__" not in arrows
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
    assert sum(code_lines(ROOT / f"{module}.py") for module in EQUATION) <= 1200


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
