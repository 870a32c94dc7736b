"""The shell of a terminal that ``%terminal`` or the side bar opens."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from dockyard.core import docker_client, paths
from dockyard.jupyter import jupyter_environment
from dockyard.labs import attempt as attempts
from dockyard.notebook import terminal_magic
from tests.support.lab_attempts import LAB, own_progress  # noqa: F401

SETTINGS = {
    "DOCKER_CONFIG": "/course/docker/08-registries",
    "MINE": 'it\'s "here" $HOME {x}\nand `there`',
    "NO_COLOR": "1",
    "not a name": "x",
}
PLAIN = (
    "BUILDKIT_PROGRESS",
    "COMPOSE_ANSI",
    "COMPOSE_MENU",
    "COMPOSE_PROGRESS",
    "DOCKER_CLI_HINTS",
    "NO_COLOR",
)
"""What keeps the output of cells plain."""


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Runs a line in the shell, in the environment of a learner with a Docker of their own."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    home = tmp_path / "learner"
    home.mkdir()
    (home / ".bashrc").write_text("export DOCKER_HOST=tcp://elsewhere:2375 PATH=/elsewhere\n")
    command = terminal_magic.prepare("08-registries", tmp_path / "work" / "a folder", SETTINGS)
    environment = {
        **os.environ,
        "HOME": str(home),
        "DOCKER_HOST": "tcp://own:2375",
        "NO_COLOR": "1",
    }

    def run(line):
        done = subprocess.run(
            ["sh", "-c", f"{command} -i"], input=f"{line}\nexit\n", env=environment,
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    return run


def test_it_uses_the_lessons_settings_and_not_the_learners_own(shell):
    shown = shell("""printf '%s|' "$DOCKER_CONFIG" "$MINE" """)
    assert shown == f"{SETTINGS['DOCKER_CONFIG']}|{SETTINGS['MINE']}|"
    unset = (*docker_client.UNSET, *PLAIN)
    assert shell(f"printf %s {''.join(f'${{{name}-}}' for name in unset)}") == ""


def test_it_stands_in_the_work_folder_and_has_the_courses_python(shell, tmp_path):
    shown = shell("pwd; python3 -c 'import dockyard; print(dockyard.__file__)'").splitlines()
    assert Path(shown[0]) == (tmp_path / "work" / "a folder").resolve()
    assert shown[1].endswith("dockyard/__init__.py")


@pytest.mark.parametrize(("before", "after"), [("077", "0022"), ("027", "0022"), ("002", "0002")])
def test_what_is_made_there_can_be_read_in_a_container(shell, before, after):
    kept = os.umask(int(before, 8))
    try:
        assert shell("umask").strip() == after
    finally:
        os.umask(kept)


def test_the_command_fits_any_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    words = shlex.split(terminal_magic.prepare("course", tmp_path, {}))
    assert words[:3] == ["exec", "bash", "--noprofile"]
    assert Path(words[-1]).stat().st_uid == os.getuid()
    assert Path(words[-1]).parent.stat().st_mode & 0o077 == 0


# From the side bar


def beside(folder, line):
    """What a line prints in a terminal that JupyterLab opens in a folder."""
    done = subprocess.run(
        ["bash", "--noprofile", "--rcfile", str(terminal_magic.START), "-i"],
        input=f"{line}\nexit\n", env=jupyter_environment.whole(), cwd=folder,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def lesson():
    """The name of a lesson that has begun."""
    name = "99-terminal"
    folder = paths.learner_copy() / "notebooks" / "work" / name
    folder.mkdir(parents=True)
    docker_client.write_config(name)
    yield name
    folder.rmdir()
    shutil.rmtree(paths.docker_config(name))


@pytest.mark.engine
def test_in_a_lessons_folder_it_belongs_to_the_lesson(lesson):
    folder = paths.learner_copy() / "notebooks" / "work" / lesson
    line = 'echo "${DOCKER_CONFIG##*/} $(docker version --format {{.Server.Os}})"'
    assert beside(folder, line) == f"{lesson} linux\n"
    assert beside(folder.parent, line) == "course linux\n"
    assert beside(folder, f"printf %s {''.join(f'${{{name}-}}' for name in PLAIN)}") == ""


@pytest.mark.engine
@pytest.mark.usefixtures("own_progress")
def test_in_a_labs_folder_it_has_the_labs_values():
    attempt = attempts.begin(LAB)
    shown = beside(attempt.work, 'echo "${DOCKER_CONFIG##*/} $WEB $WORK"')
    assert shown == f"{attempt.lesson} {attempt.values['WEB']} {attempt.work}\n"
    attempts.finish(attempt)
    assert beside(attempt.work, 'echo "${DOCKER_CONFIG##*/} $WEB"') == "course \n"
