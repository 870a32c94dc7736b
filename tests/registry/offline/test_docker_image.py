"""What the images docker:dind and docker:cli promise: a second daemon in a container."""

import json
import ssl
import subprocess

import pytest
import requests

from dockyard import course
from dockyard.engine import engine_root
from dockyard.registry.image_catalog import by_reference
from dockyard.registry.verify import origin
from tests.registry.containers import (
    PATIENCE,
    PREFIX,
    certificates,
    get_file,
    need,
    nested,
    once,
    port_of,
    run,
    until_it_answers,
)

pytestmark = pytest.mark.engine


def test_the_images_have_the_engines_version(boat, engine, filled):
    need(engine, filled, "docker:cli")
    if not origin(filled, by_reference()["docker:cli"]):
        pytest.skip("Docker Hub has its own version")
    assert engine_root.VERSION in run(boat, "dockerd", "--version")
    assert engine_root.VERSION in once(engine, "docker:cli", "--version")


def test_a_nested_daemon_answers_over_mutual_tls(boat, aboard):
    assert aboard.ping()
    assert aboard.info()["Name"] == "boat"
    assert aboard.info()["Driver"] == "overlay2"


def test_a_nested_daemon_refuses_a_client_without_a_certificate(boat, tmp_path):
    folder = certificates(boat, tmp_path / "client")
    port = port_of(boat, "2376/tcp")
    trusted = str(folder / "ca.pem")
    with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
        requests.get(f"https://127.0.0.1:{port}/_ping", verify=trusted, timeout=PATIENCE)
    plain = requests.get(f"http://127.0.0.1:{port}/_ping", timeout=PATIENCE)
    assert plain.status_code == 400
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stranger",
            "-keyout", stranger / "key.pem", "-out", stranger / "cert.pem",
        ],
        capture_output=True,
        check=True,
    )  # fmt: skip
    with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
        requests.get(
            f"https://127.0.0.1:{port}/_ping",
            verify=trusted,
            cert=(str(stranger / "cert.pem"), str(stranger / "key.pem")),
            timeout=PATIENCE,
        )


def test_the_certificate_names_every_way_to_the_nested_daemon(engine, boat):
    boat.reload()
    port = port_of(boat, "2376/tcp")
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName"],
        input=pem,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    address = next(iter(boat.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
    for name in ("DNS:docker", "DNS:localhost", "DNS:boat", "127.0.0.1", address):
        assert name in text


def test_the_certificates_stay_over_a_restart(engine, boat):
    before = get_file(boat, "/certs/ca/cert.pem"), get_file(boat, "/certs/client/cert.pem")
    boat.restart(timeout=10)
    until_it_answers(boat)
    assert (
        get_file(boat, "/certs/ca/cert.pem"),
        get_file(boat, "/certs/client/cert.pem"),
    ) == before


def test_a_nested_daemon_without_certificates_listens_on_its_socket_only(engine, filled):
    need(engine, filled, "docker:dind")
    one = nested(engine, "quiet", environment={"DOCKER_TLS_CERTDIR": ""})
    until_it_answers(one)
    listening = run(one, "ss", "--no-header", "--listening", "--tcp", "--processes")
    assert "dockerd" not in listening
    one.remove(force=True, v=True)


def test_a_nested_daemon_passes_options_on_and_falls_back_from_overlay2(engine, filled):
    need(engine, filled, "docker:dind")
    if engine.info()["Driver"] != "overlay2":
        pytest.skip("the container's own file system is no overlay")
    # No overlay can stand on the overlay that is the container's own file system.
    one = nested(engine, "slow", "--data-root=/inner", "--label=passed=on")
    until_it_answers(one)
    facts = json.loads(run(one, "docker", "info", "--format", "{{json .}}"))
    assert facts["DockerRootDir"] == "/inner"
    assert "passed=on" in facts["Labels"]
    assert facts["Driver"] == "vfs"
    one.remove(force=True, v=True)


def test_a_nested_daemon_pulls_plainly_through_the_mirror(engine, filled):
    options = course.environment()["DOCKYARD_MIRROR"].split()
    if not options:
        pytest.skip("this engine has no mirror")
    need(engine, filled, "docker:dind")
    one = nested(engine, "mirrored", *options)
    until_it_answers(one)
    run(one, "docker", "pull", "--quiet", "busybox")
    digest = filled.manifest("library/busybox", "latest").digest
    assert digest in run(one, "docker", "inspect", "--format", "{{.RepoDigests}}", "busybox")
    assert run(one, "docker", "run", "--rm", "busybox", "echo", "ahoy") == "ahoy\n"
    one.remove(force=True, v=True)


def test_the_client_image_reaches_a_nested_daemon_by_its_certificates(engine, filled):
    need(engine, filled, "docker:dind", "docker:cli")
    net = engine.networks.create(f"{PREFIX}tls")
    certs = engine.volumes.create(f"{PREFIX}certs")
    one = engine.containers.create(
        "docker:dind",
        name=f"{PREFIX}docker",
        privileged=True,
        network=net.name,
        volumes={certs.name: {"bind": "/certs", "mode": "rw"}},
    )
    net.disconnect(one)
    net.connect(one, aliases=["docker"])
    one.start()
    until_it_answers(one)
    text = once(
        engine,
        "docker:cli",
        "info",
        "--format",
        "{{.ServerVersion}} {{.Name}}",
        network=net.name,
        volumes={certs.name: {"bind": "/certs", "mode": "ro"}},
    )
    assert text.split()[1] == one.id[:12]
    one.remove(force=True, v=True)


def test_two_nested_daemons_join_one_swarm(engine, filled):
    need(engine, filled, "docker:dind")
    net = engine.networks.create(f"{PREFIX}swarm")
    pair = [nested(engine, name, network=net.name) for name in ("manager", "worker")]
    for one in pair:
        until_it_answers(one)
    manager, worker = pair
    manager.reload()
    address = manager.attrs["NetworkSettings"]["Networks"][net.name]["IPAddress"]
    run(manager, "docker", "swarm", "init", "--advertise-addr", address)
    token = run(manager, "docker", "swarm", "join-token", "--quiet", "worker").strip()
    run(worker, "docker", "swarm", "join", "--token", token, f"{address}:2377")
    nodes = run(manager, "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    assert sorted(nodes.split("\n")) == ["", "manager Ready", "worker Ready"]
    for one in pair:
        one.remove(force=True, v=True)
