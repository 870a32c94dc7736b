"""A computer without the docker client: the course says so in time, or brings one."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from dockyard.core import docker_client
from dockyard.engine import client_programs, debian_archive
from tests.support import restricted_host
from tests.support.restricted_host import needs_root

CLIENTS = [Path(folder) / "docker" for folder in os.get_exec_path()]


@needs_root
def test_no_engine_without_a_client_is_chosen_where_none_can_be_had():
    hidden = [path for path in (debian_archive.KEYRING, *CLIENTS) if path.exists()]
    with restricted_host.open_folder() as folder:
        done = restricted_host.run(
            "doctor", "--json", folder=folder, DOCKYARD_HOME=f"{folder}/home",
            before="\n".join(f"mount --bind /dev/null {path}" for path in hidden),
        )  # fmt: skip
    for provider in json.loads(done.stdout)["providers"]:
        if provider["provider"] in ("local", "machine"):
            assert not provider["works"]
            (need,) = [need for need in provider["needs"] if need["name"] == "docker client"]
            assert not need["met"]
            assert "install" in need["next"]


@pytest.mark.slow
@pytest.mark.skipif(not debian_archive.can_extract(), reason="needs apt-get and the keys of Debian")
def test_a_client_is_fetched_without_root_and_found_by_the_lessons_commands(tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for path in Path(folder).iterdir():
            if path.name != "docker" and not (programs / path.name).is_symlink():
                (programs / path.name).symlink_to(path)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    assert docker_client.find() is None
    said = []
    client_programs.ensure(said.append)
    assert "docker" in said[0]
    client_programs.ensure(pytest.fail)
    docker_client.write_config()
    for words in (["--version"], ["compose", "version"], ["buildx", "version"]):
        done = subprocess.run(
            ["docker", *words], env={**os.environ, **docker_client.environment()},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
