"""Imports only go down, tasks do not know each other, and heavy libraries wait for their use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import eyecli

PACKAGE = Path(eyecli.__file__).parent
# Top to bottom; the root modules (eyecli/errors.py...) lie below all of them.
LAYERS = (
    "cli", "jobs", "serving", "tasks", "calibration", "synthesis", "coreml", "ane", "training",
    "evaluation", "nets", "weights", "metrics", "signals", "imaging", "data", "sources",
    "workspace",
)  # fmt: skip
HEAVY = {"tensorflow", "keras", "coremltools", "mediapipe", "cv2", "pandas", "matplotlib",
         "scipy", "skimage", "jax", "torch"}  # fmt: skip
# Modules whose whole point is the library; others import them inside the function that needs them.
ALLOWED = {
    "training/fit.py": ({"keras"}, "a learner around a keras.Model"),
    "training/loop.py": ({"keras"}, "steps of a keras.Model"),
    "training/precision.py": ({"keras"}, "a keras.Model from another"),
    "training/schedules.py": ({"keras"}, "a schedule and an optimizer of Keras"),
    "nets/backbones.py": ({"keras"}, "layers of the networks"),
    "nets/eyenet.py": ({"keras"}, "layers of the network"),
    "nets/half.py": ({"keras"}, "layers of the networks"),
    "nets/heads.py": ({"keras"}, "layers of the head"),
    "nets/efficientnet_lite.py": ({"keras"}, "layers of the network"),
    "nets/resnet3d.py": ({"keras"}, "layers of the network"),
    "tasks/dr/model.py": ({"keras"}, "layers of the network"),
    "tasks/dr/objectives.py": ({"keras"}, "losses of the network"),
    "tasks/gaze/model.py": ({"keras"}, "layers of the network"),
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path) for path in MODULES}


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules that a module names: imports anywhere in it, and names in strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and re.fullmatch(r"eyecli(\.\w+)+", str(node.value)):
            yield str(node.value)


def layer(module: str) -> int:
    """Position of a module's layer from the top; root modules lie at the bottom."""
    parts = module.split(".")
    is_package = len(parts) > 1 and (PACKAGE / parts[1]).is_dir()
    return LAYERS.index(parts[1]) if is_package else len(LAYERS)


def upward(path: Path) -> list[str]:
    here = module_name(path)
    found = {name for name in imported(ast.parse(path.read_text())) if name in NAMES}
    return sorted(name for name in found if layer(name) < layer(here))


def at_import(node: ast.AST) -> Iterator[str]:
    """Top-level names of what is imported when the module is."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name.split(".")[0] for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module.split(".")[0]
        else:
            yield from at_import(child)


def test_every_folder_of_the_package_has_its_layer() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders <= set(LAYERS)
    assert not [p for p in MODULES if "__init__.py" not in {q.name for q in p.parent.iterdir()}]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_only_go_down(path: Path) -> None:
    if path.relative_to(PACKAGE).as_posix() == "__main__.py":
        return  # the door to the top
    assert upward(path) == []


def test_tasks_do_not_know_each_other() -> None:
    for path in (PACKAGE / "tasks").rglob("*.py"):
        own = path.relative_to(PACKAGE / "tasks").parts
        for name in imported(ast.parse(path.read_text())):
            parts = name.split(".")
            if parts[:2] == ["eyecli", "tasks"] and len(parts) > 2 and name in NAMES:
                assert parts[2] in ("base", own[0] if len(own) > 1 else "base"), (path, name)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_heavy_libraries_wait_for_their_use(path: Path) -> None:
    allowed, _ = ALLOWED.get(path.relative_to(PACKAGE).as_posix(), (set(), ""))
    assert set(at_import(ast.parse(path.read_text()))) & HEAVY <= allowed


def test_the_exceptions_are_still_needed() -> None:
    for name, (libraries, _) in ALLOWED.items():
        assert libraries <= set(at_import(ast.parse((PACKAGE / name).read_text()))), name


def test_the_shell_imports_no_arrays_before_it_knows_the_command() -> None:
    for name in ("cli/main.py", "cli/tree.py", "cli/contract.py", "cli/options.py", "errors.py"):
        assert "numpy" not in set(at_import(ast.parse((PACKAGE / name).read_text()))), name
