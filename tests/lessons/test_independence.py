"""Each notebook passes alone on a fresh engine, twice in a row, and after all the others.

The default run executes the notebooks once, in order. These tests execute them in a copy of the
course without files of earlier runs, on a separate engine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from dockyard import course
from dockyard.commands import test
from dockyard.core import paths

LESSONS = [path.relative_to(paths.CHECKOUT) for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))]
SHORT = [Path("notebooks/01-what-docker-is.ipynb"), Path("notebooks/00-start-here.ipynb")]
"""Two short lessons, in reverse order."""

LEFT_BEHIND = shutil.ignore_patterns(".*", "work", "__pycache__")

whole = [pytest.mark.engine, pytest.mark.slow, pytest.mark.independence]


def copy_of_the_course(folder: Path) -> Path:
    """Copy the checkout without the files that running the course adds."""
    copy = folder / "course"
    shutil.copytree(paths.CHECKOUT, copy, ignore=LEFT_BEHIND)
    return copy


def nbval(copy: Path, chosen: list[Path]) -> subprocess.CompletedProcess[str]:
    """Test notebooks of the copy on the running engine."""
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env",
            f"--nbval-sanitize-with={test.SANITIZE}",
            f"--nbval-cell-timeout={test.CELL_TIMEOUT}",
            # Without the project's settings and its canary: the outer run has made the canary's
            # objects already, and the end of this run would remove them.
            "-p", "no:tests.support.canary", "-p", "no:cacheprovider",
            "-c", "/dev/null", f"--rootdir={copy}", "--quiet",
            *map(str, chosen),
        ],
        env=course.whole_environment() | {"PYTHONPATH": str(copy)},
        cwd=copy, capture_output=True, text=True, check=False,
    )  # fmt: skip


def assert_passed(done: subprocess.CompletedProcess[str], count: int) -> None:
    """Assert that all cells passed, and that there were some."""
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert count and f"{count} passed" in done.stdout


def code_cells(chosen: list[Path]) -> int:
    return sum(
        cell.cell_type == "code" and "nbval-skip" not in cell.metadata.get("tags", [])
        for path in chosen
        for cell in nbformat.read(paths.CHECKOUT / path, as_version=4).cells
    )


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.independence
def test_lessons_pass_in_another_order_and_twice(tmp_path):
    copy = copy_of_the_course(tmp_path)
    for _ in range(2):
        assert_passed(nbval(copy, SHORT), code_cells(SHORT))


class OwnCourse:
    """A copy of the course with a separate home and engine."""

    def __init__(self, folder: Path) -> None:
        self.checkout = copy_of_the_course(folder)
        self.home = folder / "home"
        self.home.mkdir()
        # Filling the registry takes minutes, and lessons do not change it.
        if (filled := paths.home() / "registry").exists():
            shutil.copytree(filled, self.home / "registry")

    def dockyard(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``python3 -m dockyard WORDS`` there."""
        return subprocess.run(
            [sys.executable, "-m", "dockyard", *words],
            env=os.environ | {"DOCKYARD_HOME": str(self.home), "PYTHONPATH": str(self.checkout)},
            cwd=self.checkout, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def renew_engine(self) -> None:
        """Stop the engine, remove everything it kept, and start it again."""
        self.dockyard("engine", "stop")
        shutil.rmtree(self.home / "engine", ignore_errors=True)
        shutil.rmtree(self.checkout / "notebooks" / "work", ignore_errors=True)
        started = self.dockyard("engine", "start", "--engine", "embedded")
        assert started.returncode == 0, started.stderr

    def prove(self, chosen: list[Path]) -> None:
        """``python3 -m dockyard test NOTEBOOKS``: the command a learner types."""
        done = self.dockyard("test", "--quiet", *map(str, chosen))
        assert_passed(done, code_cells(chosen))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("An engine of one's own needs root: run the tests with sudo")
    there = OwnCourse(tmp_path_factory.mktemp("independence"))
    yield there
    there.dockyard("engine", "stop")


class TestWhole:
    pytestmark = whole

    @pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
    def test_a_notebook_passes_alone_on_a_fresh_engine_and_twice(self, own, path):
        own.renew_engine()
        own.prove([path])
        own.prove([path])

    def test_all_notebooks_pass_in_reverse_order(self, own):
        own.renew_engine()
        own.prove(LESSONS[::-1])
        # The first lesson once more, after all the others.
        own.prove(LESSONS[:1])
