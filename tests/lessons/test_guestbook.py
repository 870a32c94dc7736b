"""The guestbook works in its image: its own tests pass there, with a file and with PostgreSQL."""

import json
import shutil
import time
import uuid

import pytest

from dockyard.core import paths, wait, wheelhouse
from tests.support.command_line import docker

pytestmark = pytest.mark.engine

SOURCE = paths.NOTEBOOKS / "guestbook"
IMAGE = "guestbooktest:1"
DOCKERFILE = """\
FROM python:3.13-slim
WORKDIR /app
COPY wheels /wheels
COPY requirements.txt .
RUN pip install --no-index --find-links /wheels --requirement requirements.txt
COPY . .
CMD ["python", "app.py"]
"""
ASK = "import sys, urllib.request as u; print(u.urlopen(u.Request(*sys.argv[1:])).read().decode())"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guestbook") / "context"
    shutil.copytree(SOURCE, folder)
    wheels = wheelhouse.folder() if wheelhouse.is_complete() else wheelhouse.fetch(print)
    shutil.copytree(wheels, folder / "wheels")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    docker("build", "--quiet", "--network=none", f"--tag={IMAGE}", str(folder))
    yield IMAGE
    docker("rmi", "--force", IMAGE)


@pytest.fixture
def network():
    name = f"guestbooktest-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    containers = []

    def run(*words):
        container = docker("run", "--detach", f"--network={name}", *words).strip()
        containers.append(container)
        return container

    yield run
    for container in containers:
        docker("rm", "--force", "--volumes", container)
    docker("network", "rm", name)


def ask(container, path, form=None):
    """What the guestbook in a container answers; form is a request body."""
    program = ["python", "-c", ASK, f"http://127.0.0.1:8000{path}"]
    if form:
        program[2] = program[2].replace("*sys.argv[1:]", "sys.argv[1], sys.argv[2].encode()")
        program.append(form)
    return docker("exec", container, *program, check=False)


def entries(container):
    return json.loads(ask(container, "/entries"))["entries"]


def ready(container):
    wait.until("the guestbook", lambda: ask(container, "/health").startswith("ok"), timeout=120)


def test_its_own_tests_pass_in_its_image_without_a_network(image):
    said = docker("run", "--rm", "--network=none", image, "python", "-m", "pytest", "--quiet")
    assert " passed" in said
    assert "failed" not in said


def test_entries_are_kept_in_a_file_and_it_stops_at_once(image, network):
    book = network(image)
    ready(book)
    ask(book, "/", "name=Ada&sentence=Hello")
    assert entries(book) == [{"name": "Ada", "sentence": "Hello"}]
    began = time.monotonic()
    docker("stop", "--time=60", book)
    assert time.monotonic() - began < 60, "SIGTERM was not ignored"
    assert "guestbook: stopping" in docker("logs", book)


def test_two_guestbooks_share_a_database_and_say_when_it_is_gone(image, network):
    database = network(
        "--network-alias=db", "--env=POSTGRES_USER=guestbook",
        "--env=POSTGRES_PASSWORD=hush", "postgres:17",
    )  # fmt: skip
    settings = ("--env=DATABASE_HOST=db", "--env=DATABASE_PASSWORD=hush")
    first, second = network(*settings, image), network(*settings, image)
    ready(first)
    ready(second)
    ask(first, "/", "name=Grace&sentence=Moth")
    assert entries(second) == [{"name": "Grace", "sentence": "Moth"}]
    docker("stop", database)
    assert "503" in ask(second, "/")
