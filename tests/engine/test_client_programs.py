"""The docker client: the engine's, fetched by the course, or reported by the doctor."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dockyard.core import docker_client
from dockyard.engine import client_programs, engine_root
from tests.support import homes, restricted_host
from tests.support.restricted_host import needs_root

APT_GET = Path("/usr/bin/apt-get")
CLIENTS = [Path(folder) / "docker" for folder in os.get_exec_path()]


@needs_root
def test_engines_that_need_a_client_do_not_work_if_none_can_be_had():
    hidden = [path for path in (APT_GET, *CLIENTS) if path.exists()]
    with restricted_host.open_folder() as folder:
        done = restricted_host.run(
            "doctor", "--json", folder=folder, DOCKYARD_HOME=f"{folder}/home",
            before="\n".join(f"mount --bind /dev/null {path}" for path in hidden),
        )  # fmt: skip
    found = {each["provider"]: each for each in json.loads(done.stdout)["providers"]}
    for engine, name, next in (
        ("local", "docker client", "install"),
        ("machine", f"Docker {engine_root.VERSION}", "--engine local"),
    ):
        assert not found[engine]["works"]
        (need,) = [need for need in found[engine]["needs"] if need["name"] == name]
        assert not need["met"]
        assert next in need["next"]


@pytest.mark.skipif(not engine_root.can_be_had(), reason="needs an engine root")
def test_programs_that_are_missing_come_from_the_engine_root(tmp_path, monkeypatch):
    homes.give_engine_root(tmp_path / "home")
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for path in Path(folder).iterdir():
            if path.name not in ("curl", "docker") and not (programs / path.name).is_symlink():
                (programs / path.name).symlink_to(path)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(docker_client, "PLUGIN_FOLDERS", (str(tmp_path / "none"),))
    assert docker_client.find() is None
    client_programs.ensure(pytest.fail)
    docker_client.write_config()
    for words in (
        ["docker", "--version"], ["docker", "compose", "version"], ["docker", "buildx", "version"],
        ["curl", "--version"],
    ):  # fmt: skip
        done = subprocess.run(
            words, env={**os.environ, **docker_client.environment()},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_the_client_that_an_engine_brings_along_comes_first_and_follows_its_upgrades(
    tmp_path, monkeypatch
):
    homes.give_engine_root(tmp_path / "home")
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    learners = docker_client.find()
    old, new = (_root(tmp_path / name, name) for name in ("old", "new"))
    for root in (old, new, new):
        client_programs.ensure(pytest.fail, root)
        assert _run("docker") == root.name
        for name in ("compose", "buildx"):
            found = docker_client.find_plugin(name)
            assert found.resolve() == root / f"usr/libexec/docker/cli-plugins/docker-{name}"
    shutil.rmtree(new)
    assert docker_client.find() == learners
    client_programs.ensure(print)
    assert not list(docker_client.engine_programs().rglob("docker*"))
    path = docker_client.environment().get("PATH", os.environ["PATH"])
    assert str(docker_client.engine_programs()) not in path.split(os.pathsep)


def test_a_shell_of_the_course_keeps_the_order_of_its_path(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    client_programs.ensure(pytest.fail, _root(tmp_path / "root", "root"))
    monkeypatch.setenv("PATH", docker_client.environment()["PATH"])
    assert "PATH" not in docker_client.environment()


@pytest.mark.skipif(docker_client.find() is None, reason="needs a docker client")
def test_docker_runs_the_engines_plugins_and_not_those_that_were_fetched_earlier(
    tmp_path, monkeypatch
):
    docker = docker_client.find()
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    _plugin(docker_client.own_plugins() / "docker-buildx", "fetched earlier")
    root = tmp_path / "root"
    _plugin(root / "usr/libexec/docker/cli-plugins/docker-buildx", "the engine's")
    _plugin(root / "usr/libexec/docker/cli-plugins/docker-compose", "the engine's")
    (root / "usr/bin").mkdir()
    (root / "usr/bin/docker").symlink_to(docker)
    client_programs.ensure(pytest.fail, root)
    docker_client.write_config("08-registries")
    for name in ("buildx", "compose"):
        done = subprocess.run(
            ["docker", name], env={**os.environ, **docker_client.environment("08-registries")},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == "the engine's"


def _plugin(path, says):
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = json.dumps({"SchemaVersion": "0.1.0", "Vendor": "test", "Version": "v1"})
    path.write_text(
        f"#!/bin/sh\n[ \"$1\" != docker-cli-plugin-metadata ] || exec echo '{metadata}'\n"
        f'echo "{says}"\n'
    )
    path.chmod(0o755)


def _root(folder, says):
    for name in ("bin/docker", "libexec/docker/cli-plugins/docker-compose",
                 "libexec/docker/cli-plugins/docker-buildx"):  # fmt: skip
        program = folder / "usr" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {says}\n")
        program.chmod(0o755)
    return folder


def _run(program):
    done = subprocess.run(
        [program], env={**os.environ, **docker_client.environment()},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()
