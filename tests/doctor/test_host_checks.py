"""Each circumstance that the doctor recognises, made for the test."""

import hashlib
import io
import json
import socket
import tarfile
from contextlib import closing

import docker
import pytest

from dockyard.doctor import host_checks
from dockyard.engine import discovery
from dockyard.engine.embedded import EmbeddedEngine
from tests.support import homes, restricted_host
from tests.support.command_line import run
from tests.support.restricted_host import NOBODY, needs_root


def report(*, home, code=None, **variables):
    done = run("doctor", "--json", home=home, **variables)
    assert code is None or done.returncode == code, done.stderr
    return json.loads(done.stdout)


def noticed(found, subject):
    return [notice for notice in found["noticed"] if notice["subject"] == subject]


def only(notices):
    (notice,) = notices
    return notice


def test_no_daemon_and_a_daemon_that_is_not_running_have_different_notices(tmp_path):
    absent = report(home=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    notice = only(noticed(absent, "daemon"))
    assert "docker client" in notice["what"] and "no daemon" in notice["what"]
    assert "--engine embedded" in notice["next"]

    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    stopped = report(home=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/dead.sock")
    notice = only(noticed(stopped, "daemon"))
    assert "its daemon is not running" in notice["what"]
    assert "systemctl start docker" in notice["next"]


@needs_root
def test_permission_denied_is_a_notice_that_warns_of_the_docker_group():
    with restricted_host.open_folder() as folder, socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(folder / "docker.sock"))
        alive.listen()
        (folder / "docker.sock").chmod(0o660)
        done = restricted_host.run(
            "doctor", "--json", folder=folder, user=NOBODY,
            DOCKER_HOST=f"unix://{folder}/docker.sock", DOCKYARD_HOME=f"{folder}/home",
        )  # fmt: skip
    found = json.loads(done.stdout)
    notice = only(noticed(found, "permission"))
    assert "as powerful as being root" in notice["why"]
    assert "usermod -aG docker" in notice["next"]
    assert "chmod" not in json.dumps(notice)
    assert noticed(found, "daemon") == []


def test_a_proxy_of_the_shell_is_harmful_unless_loopback_is_exempt(tmp_path):
    proxy = {"HTTP_PROXY": "http://me:secret@proxy.example:3128"}
    found = report(home=tmp_path, **proxy, NO_PROXY="example.org", no_proxy="")
    notice = only(noticed(found, "proxy-client"))
    assert notice["harmful"]
    assert "NO_PROXY=localhost,127.0.0.1" in notice["next"]
    assert "secret" not in json.dumps(found)

    found = report(home=tmp_path, **proxy, NO_PROXY="localhost, 127.0.0.1", no_proxy="")
    assert not only(noticed(found, "proxy-client"))["harmful"]


def test_a_proxy_for_containers_and_builds_is_found_in_the_clients_configuration(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"proxies": {"default": {"httpsProxy": "http://user:pw@proxy.example:8080"}}})
    )
    found = report(home=tmp_path / "home", DOCKER_CONFIG=str(tmp_path))
    notice = only(noticed(found, "proxy-build"))
    assert "http://…@proxy.example:8080" in notice["what"]

    (tmp_path / "config.json").write_text("{not json")
    assert noticed(report(home=tmp_path / "home", DOCKER_CONFIG=str(tmp_path)), "proxy-build") == []


def test_git_bash_is_a_notice_with_the_variable_that_turns_rewriting_off(tmp_path):
    found = report(home=tmp_path, MSYSTEM="MINGW64")
    assert "MSYS_NO_PATHCONV=1" in only(noticed(found, "paths"))["next"]
    assert noticed(report(home=tmp_path, MSYSTEM="MINGW64", MSYS_NO_PATHCONV="1"), "paths") == []


@needs_root
def test_a_nearly_full_disk_is_a_notice_with_the_free_space():
    with restricted_host.open_folder() as folder:
        done = restricted_host.run(
            "doctor", "--json", folder=folder, DOCKYARD_HOME=f"{folder}/home",
            before=f"mkdir {folder}/home; mount -t tmpfs -o size=64m none {folder}/home",
        )  # fmt: skip
        notice = next(
            each
            for each in noticed(json.loads(done.stdout), "disk")
            if f"{folder}/home" in each["what"]
        )
    assert "0.1 GB are free" in notice["what"]
    assert "docker system df" in notice["next"]


def test_an_architecture_without_images_is_harmful_and_another_one_is_not():
    platforms = {"linux/amd64", "linux/arm64"}
    odd = only(list(host_checks.architecture({"Architecture": "riscv64"}, platforms)))
    assert odd.harmful and "amd64 and arm64" in odd.what
    other = {"amd64": "aarch64", "arm64": "x86_64"}[discovery.architecture()]
    unlike = only(list(host_checks.architecture({"Architecture": other}, platforms)))
    assert not unlike.harmful
    same = {"amd64": "x86_64", "arm64": "aarch64"}[discovery.architecture()]
    assert list(host_checks.architecture({"Architecture": same}, platforms)) == []


@pytest.fixture
def proxied(tmp_path, monkeypatch):
    """The endpoint of a daemon that was started with a proxy."""
    homes.give_engine_root(tmp_path / "home")
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example:3128")
    engine = EmbeddedEngine()
    upstream = engine.start(print)
    monkeypatch.delenv("HTTPS_PROXY")
    yield upstream
    engine.stop(print)


@needs_root
@pytest.mark.engine
def test_a_daemons_proxy_and_its_images_for_another_architecture_are_notices(proxied, tmp_path):
    name = "busybox:latest"
    with closing(docker.DockerClient(base_url=proxied.address)) as client:
        foreign = {"amd64": "arm64", "arm64": "amd64"}[discovery.architecture()]
        _load(client, name, {"architecture": foreign, "os": "linux"})
    found = report(home=tmp_path / "other", code=0, DOCKER_HOST=proxied.address)
    proxy = only(noticed(found, "proxy-daemon"))
    assert "through a proxy: http://…@proxy.example:3128" in proxy["what"]
    image = only(noticed(found, "architecture"))
    assert f"{name} on your daemon is for {foreign}" in image["what"]
    assert image["next"] == f"docker pull --platform linux/{discovery.architecture()} {name}"

    shown = run("doctor", home=tmp_path / "other", DOCKER_HOST=proxied.address).stdout
    assert f"! {image['what']}\n  {image['why']}\n  {image['next']}\n" in shown
    assert f"i {proxy['what']}\n" in shown


@needs_root
@pytest.mark.engine
def test_a_proxy_of_the_shell_that_the_daemon_does_not_use_is_a_notice(tmp_path, monkeypatch):
    homes.give_engine_root(tmp_path / "home")
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    engine = EmbeddedEngine()
    upstream = engine.start(print)
    try:
        found = report(
            home=tmp_path / "other", DOCKER_HOST=upstream.address,
            HTTPS_PROXY="http://proxy.example:3128", NO_PROXY="localhost",
        )  # fmt: skip
    finally:
        engine.stop(print)
    notice = only(noticed(found, "proxy-daemon"))
    assert notice["what"] == "This shell uses a proxy, but the daemon does not."
    assert "docs.docker.com/engine/daemon/proxy" in notice["next"]


def _empty_tar():
    content = io.BytesIO()
    tarfile.open(fileobj=content, mode="w").close()
    return content.getvalue()


def _load(client, name, config):
    """Load an image with this configuration, as ``docker load`` does."""
    layer = _empty_tar()
    config = {
        **config,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for file, content in (
            ("config.json", json.dumps(config).encode()),
            ("layer.tar", layer),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(file)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    client.images.load(archive.getvalue())
