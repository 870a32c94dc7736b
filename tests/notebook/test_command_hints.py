"""Each hint is given for its mistake, and not for what only looks like it.

The outputs are those of real commands; test_cells.py runs the most frequent ones.
"""

import pytest

from dockyard.core import paths
from dockyard.notebook import command_hints
from dockyard.notebook.command_hints import Finished

ENVIRONMENT = {"HOME": "/home/learner", "PATH": "/usr/bin:/bin", "WEB": "web-1"}
DAEMON = "docker: Error response from daemon: "
RUNC = DAEMON + "failed to create task for container: OCI runtime create failed: "
HUB = 'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 10.0.0.2:53'
BIND = "driver failed programming external connectivity on endpoint b (487b): "
DOOR = paths.front_door()


def hint(command, output="", code=1, names=()):
    return command_hints.after(Finished(command, code, output, ENVIRONMENT, names))


@pytest.mark.parametrize(
    ("command", "output", "words"),
    [
        ("docker run -it busybox sh", "the input device is not a TTY", "Leave out -t"),
        (
            "docker attach box",
            "cannot attach stdin to a TTY-enabled container because stdin is not a terminal",
            "%terminal",
        ),
        (
            "docker login",
            "Error: Cannot perform an interactive login from a non TTY device",
            "--password-stdin",
        ),
        ("cd g; rmdir ../g; docker build .", "ERROR: getwd: no such file or directory", "removed"),
        ("docker run -v $pwd:/x busybox", "docker: invalid spec: :/x: empty", "There is a $PWD."),
        ("docker rm -f $web", "requires at least 1 argument", "There is a $WEB."),
        ("docker logs $nmae", "", "$nmae is empty"),
        (
            "docker run --name $box busybox sleep 9",
            DAEMON + HUB + ": no such host",
            "$box is empty",
        ),
        (
            "docker rm {cdi[0]}",
            "Error response from daemon: No such container: {cdi[0]}",
            "no variable cdi",
        ),
        (
            "docker run busybox -d sleep 10",
            RUNC + 'exec: "-d": executable file not found in $PATH',
            "-d was taken for the program",
        ),
        (
            "docker container run busybox --name=x",
            RUNC + 'exec: "--name=x": executable file not found in $PATH: unknown',
            "--name was taken for the program to run. Whatever stands after the image",
        ),
        (
            "docker run alpine",
            DAEMON + HUB + ": no such host",
            "The course has busybox",
        ),
        (
            "docker build .",
            'ERROR: failed to solve: alpine: failed to do request: Head "https://registry-1.docker.io'
            '/v2/library/alpine/manifests/latest": dial tcp 1.2.3.4:443: i/o timeout',
            "no way to Docker Hub",
        ),
        (
            "docker run busybox",
            f"Unable to find image 'busybox:latest' locally\n{DAEMON}{HUB}: no such host",
            "registry fill",
        ),
        (
            "docker run --name web httpd:2.4",
            DAEMON + 'Conflict. The container name "/web" is already in use by container "1602".',
            "docker ps --all --filter name=^web$",
        ),
        (
            "docker run -p 127.0.0.1:8099:80 httpd:2.4",
            DAEMON + BIND + "Bind for 127.0.0.1:8099 failed: port is already allocated",
            "docker ps --filter publish=8099",
        ),
        (
            "docker run -p 8098:80 httpd:2.4",
            DAEMON + BIND + "failed to bind host port for 0.0.0.0:8098:10.198.0.5:80/tcp: "
            "address already in use",
            "Another program on this computer has port 8098",
        ),
        (
            "docker run -p 80:80 httpd:2.4",
            DAEMON + BIND + "Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: "
            "address already in use",
            "port 80.",
        ),
        ("docker imags", "docker: unknown command: docker imags\n\nRun", "docker images?"),
        ("docker imags", "docker: 'imags' is not a docker command.\nSee", "docker images?"),
        (
            "docker container lst",
            "docker: unknown command: docker container lst\n",
            "container ls?",
        ),
        ("docker compose donw", 'unknown docker command: "compose donw"', "docker compose down?"),
        ("dokcer ps", "/bin/bash: line 1: dokcer: command not found", "docker?"),
        ("dcoker ps", "/bin/sh: 1: dcoker: not found", "docker?"),
        ("docker ps", "/bin/bash: line 1: docker: command not found", "first cell"),
        ("docker-compose up", "/bin/bash: line 1: docker-compose: command not found", "hyphen"),
        (
            "docker ps",
            f"Cannot connect to the Docker daemon at unix://{DOOR}. Is the docker daemon running?",
            "engine start",
        ),
        (
            "docker ps",
            f"failed to connect to the docker API at unix://{DOOR}; check if the path is correct",
            "engine start",
        ),
        (
            "docker ps",
            "Cannot connect to the Docker daemon at unix:///mine.sock. Is it running?",
            "docker context use default",
        ),
        (
            "docker ps",
            "permission denied while trying to connect to the Docker daemon socket at "
            'unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.51/info"',
            "unix:///var/run/docker.sock, which is not the course's",
        ),
        ("docker scout cves web", "docker: unknown command: docker scout\n", "Docker Desktop"),
        ("docker init", "docker: 'init' is not a docker command.\n", "Docker Desktop"),
        (
            "docker run arm32v7/busybox",
            DAEMON + "no matching manifest for linux/amd64 in the manifest list entries",
            "kind of processor, linux/amd64",
        ),
        (
            "docker run --platform linux/arm64 busybox",
            "WARNING: The requested image's platform (linux/arm64) does not match the detected "
            "host platform (linux/amd64/v4) and no specific platform was requested\n"
            "exec /bin/sh: exec format error",
            "for linux/arm64, and this computer is linux/amd64/v4",
        ),
    ],
)
def test_a_mistake_gets_its_hint(command, output, words, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    assert words in hint(command, output)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("docker run -v $pwd:$pwd busybox true", "$pwd is empty"),
        ('docker run --name "$box" busybox', "$box is empty"),
        ("cd work", "%cd"),
        ("cd", "%cd"),
        ("export NAME=value", "%env"),
    ],
)
def test_a_mistake_that_does_not_fail_gets_its_hint(command, words):
    assert words in hint(command, code=0)


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("docker run busybox cat /note", "the input device is a TTY"),
        ("docker run busybox false", ""),
        ("docker logs $WEB; docker logs ${nmae}; docker logs $PWD $UID $BASH_VERSION", ""),
        ("docker exec web sh -c 'echo $nmae'", ""),
        ("for c in a b; do docker logs $c; done", ""),
        (". ./settings; docker logs $nmae", ""),
        ("echo $nmae; false", ""),
        ("docker ps --format '{{.Nmaes}}'", "template: Error: {{.Nmaes}}"),
        ("docker rm {cid[0]}", "Error response from daemon: No such container: 4f0c"),
        ("docker run busybox no-such", RUNC + 'exec: "no-such": executable file not found'),
        ("docker exec web -d", RUNC + 'exec: "-d": executable file not found in $PATH'),
        (
            "docker run alpine",
            'docker: Error response from daemon: Get "https://localhost:5000/v2/": dial tcp '
            "127.0.0.1:5000: connect: connection refused",
        ),
        ("docker pull nothing", "pull access denied for nothing, repository does not exist"),
        (
            "docker run alpine",
            'Get "https://registry-1.docker.io/v2/": toomanyrequests: too many requests',
        ),
        ("docker network create web", "network with name web already exists"),
        ("docker run -p 80:80 httpd:2.4", "listen tcp 0.0.0.0:80: bind: permission denied"),
        ("docker strat", "docker: unknown command: docker xyzzy\n"),
        ("docker exec box docker ps", "/bin/sh: 1: docke: not found in this house"),
        ("dockerd", "/bin/bash: line 1: dockerd: command not found"),
        ("rocked", "/bin/bash: line 1: rocked: command not found"),
        ("docker exec box ./program", "exec ./program: exec format error"),
        ("docker logs box", "docker: unknown command: docker scoot"),
        (
            "DOCKER_HOST=unix:///mine.sock docker ps",
            "Cannot connect to the Docker daemon at unix:///mine.sock. Is it running?",
        ),
        (
            "docker --host tcp://127.0.0.1:1 ps",
            "Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the daemon running?",
        ),
    ],
)
def test_what_only_looks_like_a_mistake_gets_no_hint(command, output):
    assert hint(command, output, names=("cid",)) is None


@pytest.mark.parametrize(
    "command",
    [
        "echo the input device is not a TTY",
        "cd work && ls",
        "cd work; docker build .",
        "export A=b; echo $A",
        "docker run busybox echo $nothing",
        "docker run -v $HOME:/x busybox",
        "docker run -e name=$x busybox",
    ],
)
def test_a_command_that_succeeds_gets_no_hint(command):
    assert hint(command, f"{DAEMON}{HUB}: no such host\nthe input device is not a TTY", 0) is None


def test_docker_that_a_container_does_not_have_is_not_a_missing_client(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name, path=None: "/usr/bin/docker")
    assert (
        hint("docker exec box bash -c 'docker ps'", "bash: line 1: docker: command not found")
        is None
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sudo docker ps", "without sudo"),
        ("ls && sudo -n docker run busybox", "without sudo"),
        ("docker attach box", "interrupt"),
        ("docker logs -f box", "%terminal"),
        ("docker container logs --tail 3 --follow box", "interrupt"),
        ("docker compose logs -f", "interrupt"),
        ("docker compose -f other.yaml up", "interrupt"),
        ("docker events --filter type=container", "interrupt"),
        ("docker stats", "interrupt"),
    ],
)
def test_a_command_gets_its_hint_before_it_runs(command, words):
    assert words in command_hints.before(command)


@pytest.mark.parametrize(
    "command",
    [
        "docker ps",
        "sudo -E docker ps",
        "sudo --preserve-env docker ps",
        "echo sudo docker ps",
        "pseudo docker ps",
        "sudo ls",
        "docker logs box",
        "docker logs --tail 3 self-f",
        "docker logs -f box | head -n 1",
        "timeout 3 docker logs -f box",
        "docker logs -f box &",
        "docker logs -f --until 3s box",
        "docker events --since 10m --until 0s",
        "docker stats --no-stream",
        "docker compose up -d",
        "docker compose up --wait",
        "docker run busybox docker attach",
    ],
)
def test_other_commands_get_no_hint_before_they_run(command):
    assert command_hints.before(command) is None
