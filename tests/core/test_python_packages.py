"""Finding and installing the locked packages."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from dockyard.core import paths, python_packages

WATCHED = """
import runpy, sys

PROCESSES = {"subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.system"}

def tell(event, arguments):
    if event in PROCESSES:
        print(event, arguments[:2], file=sys.stderr, flush=True)

sys.addaudithook(tell)
sys.argv = ["dockyard", "--version"]
runpy.run_module("dockyard", run_name="__main__")
"""
"""``python3 -m dockyard --version``, with each process that it starts on standard error."""


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def test_no_process_is_started_when_the_packages_are_there():
    done = run(sys.executable, "-c", WATCHED, cwd=paths.CHECKOUT)
    assert done.stdout.startswith("dockyard ")
    assert done.stderr == ""


in_venv = pytest.mark.skipif(
    not python_packages.inside_venv(), reason="this Python is not that of .venv"
)


@in_venv
def test_another_python_hands_over_to_the_one_in_venv_and_starts_nothing_else():
    base = sysconfig.get_config_var("BINDIR") + "/python3"
    done = run(base, "-S", "-c", WATCHED, cwd=paths.CHECKOUT)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"os.exec ('{python_packages.python()}',")
    assert done.stdout.startswith("dockyard ")


@in_venv
def test_a_kernel_in_any_folder_imports_the_checkout(tmp_path):
    program = "import dockyard; print(dockyard.__path__[0])"
    done = run(sys.executable, "-I", "-c", program, cwd=tmp_path)
    assert Path(done.stdout.strip()) == paths.CHECKOUT / "dockyard"


def test_installing_needs_only_the_standard_library():
    program = f"import sys; sys.path.append({str(paths.CHECKOUT)!r}); import dockyard.bootstrap"
    done = run(sys.executable, "-I", "-S", "-c", program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("line", "ready"),
    [
        ("pytest=={version}", True),
        ("pytest==0.1", False),
        ("no-such-package==1.0", False),
        ("no-such-package==1.0 ; sys_platform == 'win32'", True),
        ("# pytest==0.1", True),
    ],
)
def test_a_lock_is_installed_when_each_version_is(tmp_path, line, ready):
    lock = tmp_path / "requirements.txt"
    lock.write_text(line.format(version=importlib.metadata.version("pytest")))
    assert python_packages.are_ready(lock) is ready


def test_names_are_compared_as_python_packaging_does(tmp_path):
    lock = tmp_path / "requirements.txt"
    version = importlib.metadata.version("jupyter_client")
    lock.write_text(f"jupyter-client=={version}")
    assert python_packages.are_ready(lock)


@pytest.fixture
def fresh_clone(tmp_path):
    """What installing reads, without .venv."""
    clone = tmp_path / "clone"
    clone.mkdir()
    shutil.copytree(paths.CHECKOUT / "dockyard", clone / "dockyard")
    for lock in (python_packages.LOCK, python_packages.TEST_LOCK):
        shutil.copy(lock, clone)
    return clone


@pytest.mark.slow
def test_without_a_network_the_next_command_is_named(fresh_clone):
    nowhere = "http://127.0.0.1:1/simple"
    environment = {
        "PATH": os.environ["PATH"],
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": nowhere,
        "PIP_RETRIES": "1",
    }
    done = run(
        *(sys.executable, "-S", "-m", "dockyard", "--version"), cwd=fresh_clone, env=environment
    )
    assert done.returncode == 1
    what, why, advice = done.stderr.splitlines()[-3:]
    assert what == "Installing Python packages failed."
    assert why.startswith("PyPI cannot be reached: ")
    assert "Connection refused" in why
    assert "0x" not in why
    assert advice == (
        "Check the network and the free space on the disk, then run this again:  "
        "python3 -m dockyard --version"
    )


@pytest.mark.parametrize("words", [("--editable", "."), (".",)], ids=" ".join)
def test_pip_installs_the_package_with_its_data_files(tmp_path, words):
    environment = tmp_path / "environment"
    subprocess.run(
        [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, environment],
        check=True,
    )
    python = environment / "bin" / "python"
    done = run(
        *(sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--python", python, *words),
        cwd=paths.CHECKOUT,
    )
    assert done.returncode == 0, done.stderr
    program = "import dockyard; print(dockyard.__path__[0])"
    installed = Path(run(python, "-c", program, cwd=tmp_path).stdout.strip())
    assert (installed == paths.CHECKOUT / "dockyard") == ("--editable" in words)
    ours = {
        file.relative_to(paths.CHECKOUT / "dockyard")
        for file in (paths.CHECKOUT / "dockyard").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {file for file in ours if not (installed / file).exists()} == set()
