"""``learn`` until JupyterLab is ready and until a container has run, and the same without it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import engine
from benchmarks.sides import Pair, in_turn
from dockyard.core import paths, ports, python_packages, wait
from dockyard.engine import engine_root

GOAL = 1.5
REPEAT = 7
FIRST_TIMES = 2
PATIENCE = 600

FIRST_RUN = """
.venv/bin/python -c "
from dockyard import preparation
preparation.wait_for_lesson('00-start-here')
preparation.wait_for_command('docker run hello-world')
"
eval "$(python3 -m dockyard engine env)"
docker run hello-world
"""
"""As on the first page: its first cell waits for what the page begins with, the next one runs a
container, and waits for its image."""


def measure() -> Iterator[Pair]:
    """Three pairs: with everything installed, and two in a fresh clone with an empty home."""
    with tempfile.TemporaryDirectory(prefix="dockyard-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        # The images are in the registry, as after the first start.
        for kept in ("registry", "engine-root", "registry-digests.json"):
            if (found := paths.home() / kept).exists():
                copy = shutil.copytree if found.is_dir() else shutil.copy2
                copy(found, home / kept)
        here = os.environ | {"DOCKYARD_HOME": str(home)}
        yield in_turn(
            "`learn` until JupyterLab is ready / JupyterLab started bare",
            lambda: _learn(sys.executable, paths.CHECKOUT, here),
            lambda: _bare(sys.executable, Path(folder)),
            REPEAT,
            GOAL,
        )
    yield in_turn(
        "the first `learn` in a fresh clone until JupyterLab is ready / a new environment with "
        "`uv pip install jupyterlab`, and JupyterLab started bare",
        _learn_in_a_clone,
        _bare_in_an_environment,
        FIRST_TIMES,
        GOAL,
    )
    yield in_turn(
        "the first `learn` in a fresh clone until a container has run / the engine's "
        "packages downloaded and unpacked, and dockerd started bare",
        _first_container_in_a_clone,
        _bare_engine_of_packages,
        FIRST_TIMES,
        GOAL,
    )


def _learn(
    python: str, checkout: Path, environment: Mapping[str, str], then: str = "true"
) -> float:
    """The seconds until JupyterLab answers and the shell code of then has run."""
    port = ports.choose()
    began = time.perf_counter()
    course = subprocess.Popen(
        [
            *(python, "-m", "dockyard", "learn", "--engine", "embedded"),
            *("--no-browser", "--port", str(port)),
        ],
        env=environment, cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def run() -> None:
        subprocess.run(
            ["bash", "-ec", then],
            env=environment, cwd=checkout, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip

    return _until_ready(began, port, course, run)


def _bare(python: str, folder: Path) -> float:
    port = ports.choose()
    began = time.perf_counter()
    jupyterlab = subprocess.Popen(
        [python, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return _until_ready(began, port, jupyterlab)


def _learn_in_a_clone(then: str = "true") -> float:
    with tempfile.TemporaryDirectory(prefix="dockyard-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", paths.CHECKOUT, clone], check=True)
        return _learn("python3", clone, _outside(), then)


def _first_container_in_a_clone() -> float:
    return _learn_in_a_clone(FIRST_RUN)


def _bare_engine_of_packages() -> float:
    with tempfile.TemporaryDirectory(prefix="dockyard-") as folder:
        root = Path(folder) / "root"
        root.mkdir()
        began = time.perf_counter()
        engine_root.make(root, lambda _line: None)
        with engine.bare(root):
            return time.perf_counter() - began


def _bare_in_an_environment() -> float:
    with tempfile.TemporaryDirectory(prefix="dockyard-") as folder:
        python = str(Path(folder) / "environment" / "bin" / "python")
        pins = python_packages.pins(python_packages.TEST_LOCK)
        began = time.perf_counter()
        for words in (
            ["python3", "-m", "venv", str(Path(folder) / "environment")],
            [python, "-m", "pip", "install", "--quiet", f"uv=={pins['uv']}"],
            [
                *(python, "-m", "uv", "pip", "install", "--quiet", f"--python={python}"),
                f"jupyterlab=={pins['jupyterlab']}",
            ],
        ):
            subprocess.run(words, env=_outside(), cwd=folder, check=True)
        installed = time.perf_counter() - began
        return installed + _bare(python, Path(folder))


def _outside() -> dict[str, str]:
    """The environment without the virtual environment that this runs in, and without a home."""
    own = str(Path(sys.executable).parent)
    folders = [each for each in os.environ["PATH"].split(os.pathsep) if each != own]
    kept = {name: value for name, value in os.environ.items() if name != "DOCKYARD_HOME"}
    return {**kept, "PATH": os.pathsep.join(folders)}


def _until_ready(
    began: float,
    port: int,
    process: subprocess.Popen[bytes],
    then: Callable[[], object] = lambda: None,
) -> float:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    try:
        wait.until("JupyterLab", answers, PATIENCE, interval=0.02)
        then()
        return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)
