"""Which modules of the package may import which (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

import pytest

from dockyard.core import paths

PACKAGE = paths.CHECKOUT / "dockyard"

# What a package may import besides itself. Packages that are not named may import any other.
LAYERS = {
    "exceptions": set(),
    "core": {"exceptions"},
    "proxy": {"core", "exceptions"},
    "engine": {"core", "exceptions"},
    "trace": {"core", "exceptions", "proxy"},
    "registry": {"cleanup", "core", "engine", "exceptions"},
    "cleanup": {"core", "exceptions"},
}
# What learners use in a notebook does not know the command line or the authors' tools.
INNER = (*("course", "doctor", "drills", "labs", "lessons", "notebook", "panels", "quiz", "views"),)
OUTER = {"authoring", "bootstrap", "cli", "commands"}


def modules():
    """Every module of the package by its dotted name, parsed."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(file.read_text())
    return found


def imports(tree, names):
    """The modules of the package that a module imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the package uses absolute imports"
            wanted = [f"{node.module}.{name.name}" for name in node.names]
        else:
            continue
        for name in wanted:
            # An imported name is a module, or something inside the module before its last dot.
            found |= {name, name.rpartition(".")[0]} & names if name not in names else {name}
    return found


@pytest.fixture(scope="module")
def graph():
    trees = modules()
    return {name: imports(tree, set(trees)) - {name} for name, tree in trees.items()}


def layer(name):
    """The package or module right below dockyard."""
    return name.split(".")[1] if "." in name else ""


def test_no_modules_import_each_other_in_a_circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize("package", LAYERS)
def test_a_layer_imports_only_lower_layers(graph, package):
    too_high = {
        f"{name} → {other}"
        for name, others in graph.items()
        for other in others
        if layer(name) == package and layer(other) not in LAYERS[package] | {package}
    }
    assert too_high == set()


def test_what_a_notebook_uses_does_not_import_the_command_line(graph):
    too_high = {
        f"{name} → {other}"
        for name, others in graph.items()
        for other in others
        if layer(name) in (*INNER, *LAYERS) and layer(other) in OUTER
    }
    assert too_high == set()


def test_no_two_modules_have_the_same_file_name():
    places = defaultdict(list)
    for file in PACKAGE.rglob("*.py"):
        # Checks have the name of their lab or lesson.
        if file.name not in ("__init__.py", "__main__.py") and file.parent.name != "checks":
            places[file.name].append(str(file.relative_to(PACKAGE)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_two_classes_have_the_same_name():
    places = defaultdict(list)
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
