"""A kernel whose lesson could not begin runs no command, as no ``%tidy`` would clean up."""

import json
import os
import subprocess
import sys
from contextlib import closing

import pytest

from dockyard import course, preparation, registry
from dockyard.core import docker_client, paths
from tests.support.kernels import Kernel

KEPT = '{"kept": "a configuration that docker can read"}'

PROGRAM = """
import json, os, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "dockyard")
said = []
for cell in json.loads(sys.argv[1]):
    if cell.startswith("HOME "):
        os.environ["DOCKYARD_HOME"] = cell.removeprefix("HOME ")
        continue
    done = shell.run_cell(cell)
    said.append(str(done.error_in_exec or ""))
print("\\n" + json.dumps(said))
"""


def run_cells(home, *cells):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(cells)], capture_output=True, text=True,
        env=course.whole_environment() | {"DOCKYARD_HOME": str(home)}, cwd=paths.CHECKOUT,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *shown, last = done.stdout.strip().splitlines()
    return json.loads(last), "\n".join(shown)


@pytest.mark.parametrize(
    "first", ["%lesson 99-sample", "%lesson", "%lesson 99 sample", "%lab 99-nothing"]
)
def test_commands_are_refused_after_the_first_cell_failed(tmp_path, first):
    marker = tmp_path / "marker"
    errors, _ = run_cells(tmp_path, first, f"!touch {marker}", f"%%bash\ntouch {marker}", "1 + 1")
    assert errors[0]
    for refused in errors[1:3]:
        assert refused.startswith("The lesson could not begin, so nothing was run.")
        assert "Run the first cell again" in refused
    assert errors[3] == ""
    assert not marker.exists()


def test_what_a_cell_makes_can_be_read_in_a_container(tmp_path):
    before = os.umask(0o077)
    try:
        cells = [f"!touch {tmp_path}/shell", f"open('{tmp_path}/python', 'w').close()"]
        errors, _ = run_cells(tmp_path / "home", *cells)
    finally:
        os.umask(before)
    assert errors == ["", ""]
    for name in ("shell", "python"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["..", "../../precious", "{}/precious", "a/../.."])
def test_a_lesson_name_that_is_a_path_removes_nothing(tmp_path, name):
    home, precious = tmp_path / "home", tmp_path / "precious"
    for file in (home / "docker" / "course" / "config.json", precious / "file"):
        file.parent.mkdir(parents=True)
        file.write_text(KEPT)
    errors, _ = run_cells(home, f"%lesson {name.format(tmp_path)}", "!true")
    assert "is not a lesson's name" in errors[0]
    assert errors[1].startswith("The lesson could not begin")
    assert (home / "docker" / "course" / "config.json").read_text() == KEPT
    assert (precious / "file").read_text() == KEPT


@pytest.mark.engine
def test_commands_run_again_once_the_first_cell_has_succeeded(tmp_path):
    name = "99-sample"
    errors, shown = run_cells(
        tmp_path,
        f"%lesson {name}",
        "!docker volume create frame-of-a-lesson",
        f"HOME {paths.home()}",
        f"%lesson {name}",
        "!docker volume create frame-of-a-lesson",
    )
    assert errors[0] and errors[1]
    assert errors[2:] == ["", ""]
    assert shown.strip().endswith("frame-of-a-lesson")
    with closing(docker_client.connect()) as daemon:
        volume = daemon.volumes.get("frame-of-a-lesson")
        try:
            assert volume.attrs["Labels"]["dockyard.lesson"] == name
        finally:
            volume.remove()


@pytest.mark.engine
@pytest.mark.parametrize("interactive", [True, False])
def test_a_learner_is_told_which_images_are_not_the_official_ones(tmp_path, interactive):
    """Stored outputs are the same wherever the images come from."""
    page = "00-start-here"
    said = registry.remark(image.reference for image in preparation.named_by(page))
    with Kernel(tmp_path, interactive=interactive) as kernel:
        shown = kernel.run(f"%lesson {page}").text
        kernel.run("%tidy")
    assert shown.startswith("Ready.")
    assert (said in shown) if interactive else "Debian packages" not in shown


def test_a_view_that_is_gone_is_not_spoken_of(tmp_path):
    """A page that was loaded again writes to the views of before."""
    with Kernel(tmp_path) as kernel:
        gone = kernel.write_to_view("0" * 32)
        assert kernel.collect(gone).outputs == []
        assert kernel.run("1 + 1").text == "2"
