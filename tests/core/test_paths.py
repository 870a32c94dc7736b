"""The home and its run folder."""

import json
import shutil

from dockyard.core import paths
from tests.support.command_line import run


def test_the_front_door_is_at_the_same_path_whatever_the_temporary_folders(tmp_path):
    def docker_host(**variables):
        done = run("engine", "status", "--json", home=tmp_path, **variables)
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout)["docker_host"]

    expected = docker_host()
    assert docker_host(XDG_RUNTIME_DIR=str(tmp_path)) == expected
    assert docker_host(XDG_RUNTIME_DIR="/nowhere", TMPDIR=str(tmp_path)) == expected


def test_a_run_folder_that_is_a_symbolic_link_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    folder = paths.run_dir()
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path)
    try:
        done = run("engine", "status", home=tmp_path)
    finally:
        folder.unlink()
    assert done.returncode == 1
    assert f"{folder} is not a folder of yours." in done.stderr
    assert "DOCKYARD_HOME=" in done.stderr
