"""``learn`` until JupyterLab is ready, the first time and later, and JupyterLab alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.sides import Pair, in_turn
from dockyard.core import paths, ports, python_packages, wait

GOAL = 1.5
REPEAT = 7
FIRST_TIMES = 2
PATIENCE = 600


def measure() -> Iterator[Pair]:
    """Two pairs: with everything installed, and in a fresh clone with an empty home."""
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


def _learn(python: str, checkout: Path, environment: Mapping[str, str]) -> float:
    port = ports.choose()
    began = time.perf_counter()
    course = subprocess.Popen(
        [
            *(python, "-m", "dockyard", "learn", "--engine", "embedded"),
            *("--no-browser", "--port", str(port)),
        ],
        env=environment, cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return _until_ready(began, port, course)


def _bare(python: str, folder: Path) -> float:
    port = ports.choose()
    began = time.perf_counter()
    jupyterlab = subprocess.Popen(
        [python, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return _until_ready(began, port, jupyterlab)


def _learn_in_a_clone() -> float:
    with tempfile.TemporaryDirectory(prefix="dockyard-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", paths.CHECKOUT, clone], check=True)
        return _learn("python3", clone, _outside())


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


def _until_ready(began: float, port: int, process: subprocess.Popen[bytes]) -> float:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    try:
        wait.until("JupyterLab", answers, PATIENCE, interval=0.02)
        return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)
