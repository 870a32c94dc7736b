"""The files around the course agree with each other."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys

import pytest

from dockyard.core import paths, python_packages


@pytest.mark.parametrize("name", ["environment.yml", "binder/environment.yml"])
def test_environment_yml_reads_the_one_list_of_packages(name):
    """conda and mamba look for the list beside the file that names it."""
    file = paths.CHECKOUT / name
    text = file.read_text()
    listed = re.search(r"^ +- -r (\S+)$", text, re.MULTILINE)[1]
    assert (file.parent / listed).resolve() == python_packages.REQUIREMENTS
    assert "python=3.11" in text


def test_the_dev_containers_docker_is_one_that_its_base_image_supports():
    """The feature refuses Debian 13 together with moby, and the plain tag moves with Debian."""
    found = json.loads((paths.CHECKOUT / ".devcontainer" / "devcontainer.json").read_text())
    assert found["image"].endswith("python:3.11-bookworm")
    (feature,) = found["features"].items()
    assert feature == ("ghcr.io/devcontainers/features/docker-in-docker:4", {"moby": False})


def test_every_requirement_has_an_exact_version():
    pins = python_packages.pins()
    assert pins
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*", pin) for pin in pins)
    assert pins == sorted(pins, key=str.lower)


def test_every_package_that_is_imported_is_in_the_list():
    imported = set()
    for file in (paths.CHECKOUT / "dockyard").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    brought_by = {
        name: {distribution.replace("_", "-") for distribution in distributions}
        for name, distributions in importlib.metadata.packages_distributions().items()
    }
    pinned = {pin.partition("==")[0] for pin in python_packages.pins()}
    foreign = imported - sys.stdlib_module_names - {"dockyard"}
    assert foreign
    assert [name for name in foreign if not pinned & brought_by.get(name, set())] == []


FIRST = """
import json, sys
before = set(sys.modules)
from dockyard import cli
from dockyard.commands import learn, setup, test
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def test_the_commands_import_nothing_but_the_first_packages():
    """They begin before the other packages are there."""
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, check=True)
    brought_by = importlib.metadata.packages_distributions()
    imported = {
        distribution.replace("_", "-")
        for name in json.loads(done.stdout)
        for distribution in brought_by.get(name, ())
    }
    first, further = set(), {*python_packages.CORE}
    while further:
        first |= further
        needed = [line for name in further for line in importlib.metadata.requires(name) or ()]
        named = [re.match(r"[\w.-]+", line)[0] for line in needed if ";" not in line]
        further = {name.replace("_", "-") for name in named} - first
    assert "psutil" in imported
    assert imported - first == set()


def test_every_environment_variable_of_the_course_is_explained():
    page = (paths.CHECKOUT / "docs" / "settings.md").read_text()
    used = set()
    for file in (paths.CHECKOUT / "dockyard").rglob("*.py"):
        used |= set(re.findall(r"\bDOCKYARD_[A-Z_]+[A-Z]\b", file.read_text()))
    assert used
    assert [name for name in used if f"`{name}`" not in page] == []


def test_the_readme_names_the_command_that_ci_calls():
    command = "python3 -m dockyard test"
    assert command in (paths.CHECKOUT / ".ci" / "run").read_text()
    assert command in (paths.CHECKOUT / "README.md").read_text()


def test_every_lesson_is_in_the_readme_with_its_minutes():
    readme = (paths.CHECKOUT / "README.md").read_text()
    for lesson in paths.NOTEBOOKS.glob("*.ipynb"):
        minutes = re.search(r"\*\*Minutes:\*\* (\d+)", lesson.read_text())[1]
        assert re.search(rf"^\| {lesson.stem[:2]} \|.*\| {minutes} \|$", readme, re.MULTILINE)


@pytest.mark.parametrize("name", ["__main__.py", "__init__.py"])
def test_the_first_files_parse_on_old_pythons(name):
    ast.parse((paths.CHECKOUT / "dockyard" / name).read_text(), feature_version=(3, 4))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("sys.version_info = (3, 8, 0, 'final', 0)", "needs Python 3.11"),
        ("os.name = 'nt'", "inside WSL 2"),
    ],
)
def test_what_it_cannot_run_on_is_said_politely(found, said):
    program = f"import os, sys, runpy; {found}; runpy.run_module('dockyard', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=paths.CHECKOUT,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_code_style():
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "."],
        capture_output=True, text=True, cwd=paths.CHECKOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
