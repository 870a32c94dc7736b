"""The files around the package agree with each other: locks, style, README, GitHub."""

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dockyard.core import paths, python_packages


@pytest.mark.parametrize("name", ["environment.yml", "binder/environment.yml"])
def test_conda_installs_the_lock_and_the_checkout(name):
    """conda and mamba run pip in the folder of the file, and with a copy of the section there."""
    file = paths.CHECKOUT / name
    python, pip, section = yaml.safe_load(file.read_text())["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    lock, checkout = (line.partition(" ") for line in section["pip"])
    assert (lock[0], checkout[0]) == ("-r", "-e")
    assert (file.parent / lock[2]).resolve() == python_packages.LOCK
    assert (file.parent / checkout[2]).resolve() == paths.CHECKOUT


def project():
    """The table ``project`` of pyproject.toml."""
    return tomllib.loads((paths.CHECKOUT / "pyproject.toml").read_text())["project"]


def declared(*extras):
    """The direct dependencies, of the course and of some extras."""
    lines = list(project()["dependencies"])
    for extra in extras:
        lines += project()["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(
    ("lock", "extras"),
    [(python_packages.LOCK, ()), (python_packages.TEST_LOCK, ("test", "site"))],
    ids=["requirements.txt", "requirements-test.txt"],
)
def test_a_lock_has_an_exact_version_for_every_dependency(lock, extras):
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
    pinned = {}
    for line in lines:
        # No line is an option such as --index-url, which may name a private host.
        match = re.fullmatch(r"([a-z0-9-]+)==([0-9][\w.]*)( ; .+)?", line)
        assert match, line
        pinned[match[1]] = match[2]
    assert len(pinned) == len(lines)
    assert list(pinned) == sorted(pinned)
    for requirement in declared(*extras):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    # Of what is installed, too, everything that is needed has its version in the lock.
    needed = {canonicalize_name(requirement.name) for requirement in declared(*extras)}
    seen = set()
    while further := needed - seen:
        seen |= further
        for name in further:
            requirements = map(Requirement, importlib.metadata.requires(name) or ())
            needed |= {
                canonicalize_name(each.name)
                for each in requirements
                if not each.marker or each.marker.evaluate({"extra": ""})
            }
    assert needed <= pinned.keys()


def test_all_locks_have_the_same_versions():
    locks = (python_packages.LOCK, python_packages.TEST_LOCK, python_packages.CLASSROOM_LOCK)
    pins, test_pins, classroom_pins = map(python_packages.pins, locks)
    assert pins.items() <= test_pins.items()
    assert pins.items() <= classroom_pins.items()
    for requirement in declared("classroom"):
        assert classroom_pins[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(("dockyard",), ()), (("tests", "benchmarks", "docs"), ("test",)), (("site",), ("site",))],
    ids=["dockyard", "tests", "site"],
)
def test_every_package_that_is_imported_is_a_direct_dependency(folders, extras):
    imported = set()
    for file in (file for folder in folders for file in (paths.CHECKOUT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    brought_by = {
        name: {canonicalize_name(distribution) for distribution in distributions}
        for name, distributions in importlib.metadata.packages_distributions().items()
    }
    names = {canonicalize_name(requirement.name) for requirement in declared(*extras)}
    foreign = imported - sys.stdlib_module_names - {"dockyard", "tests", "benchmarks", "classroom"}
    assert foreign
    assert [name for name in foreign if not names & brought_by.get(name, set())] == []


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
def test_an_unsupported_computer_gets_a_polite_message(found, said):
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


@pytest.mark.parametrize(
    "command", ["ruff check .", "ruff format --check --diff .", "mypy"], ids=lambda c: c
)
def test_code_style_and_types(command):
    """.pre-commit-config.yaml runs the same commands."""
    done = run_tool(*command.split())
    assert done.returncode == 0, done.stdout


def test_pre_commit_runs_the_same_commands():
    found = yaml.safe_load((paths.CHECKOUT / ".pre-commit-config.yaml").read_text())
    hooks = [hook["entry"] for repository in found["repos"] for hook in repository["hooks"]]
    assert hooks == [
        ".venv/bin/ruff check", ".venv/bin/ruff format --check", ".venv/bin/mypy"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("dependabot", "dependabot.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/*-*.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
    ],
)
def test_githubs_files_have_the_form_that_github_reads(schema, pattern):
    files = sorted((paths.CHECKOUT / ".github").glob(pattern))
    assert files
    done = run_tool("check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files)
    assert done.returncode == 0, done.stdout


def test_every_module_that_a_launch_or_a_workflow_runs_exists():
    modules = set()
    for folder in (".ci", ".devcontainer", ".github", "binder"):
        for file in (paths.CHECKOUT / folder).rglob("*"):
            if file.is_file():
                modules |= set(re.findall(r"\bpython3? -m ([\w.]+)", file.read_text()))
    assert "dockyard.engine.vm.artifacts" in modules
    assert [name for name in modules if not importlib.util.find_spec(name)] == []


def run_tool(module, *words):
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        capture_output=True, text=True, cwd=paths.CHECKOUT, check=False,
    )  # fmt: skip
