"""The wheels of the guestbook."""

import re
import subprocess

import pytest

from dockyard.core import wheelhouse
from dockyard.engine.discovery import architecture
from dockyard.registry.image_catalog import by_reference
from tests.support.command_line import docker


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A home with the wheels, which pip downloads."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    return wheelhouse.fetch(print)


@pytest.mark.slow
def test_only_what_is_missing_or_damaged_is_downloaded_again(wheels):
    assert wheelhouse.is_complete()
    said = []
    wheelhouse.fetch(said.append)
    assert said == []
    names = {file.name for file in wheels.iterdir()}
    flask = next(wheels.glob("flask-*.whl"))
    content = flask.read_bytes()
    flask.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (wheels / "old-1.0-py3-none-any.whl").touch()
    assert not wheelhouse.is_complete()
    wheelhouse.fetch(said.append)
    assert len(said) == 1
    assert flask.read_bytes() == content
    assert {file.name for file in wheels.iterdir()} == names
    for machine in ("x86_64", "aarch64"):
        wheel = next(wheels.glob(f"markupsafe-*{machine}.whl"))
        kept = wheel.read_bytes()
        wheel.unlink()
        assert not wheelhouse.is_complete(), "each machine needs its own"
        wheel.write_bytes(kept)
    assert wheelhouse.is_complete()


def test_the_requirements_name_the_packages_with_hashes():
    text = wheelhouse.REQUIREMENTS.read_text()
    assert set(wheelhouse.PACKAGE.findall(text)) >= {"flask", "waitress", "pg8000", "pytest"}
    for block in re.split(r"\n(?=\S)", text):
        if not block.startswith("#"):
            assert "--hash=sha256:" in block
    assert f"python:{wheelhouse.PYTHON}-slim" in by_reference()


DOCKERFILE = """\
FROM python:3.13-slim
COPY wheels /wheels
COPY requirements.txt .
RUN pip install --no-index --find-links /wheels --requirement requirements.txt
"""

TRY = "import flask, waitress, pg8000, pytest, platform; print('installed', platform.machine())"


@pytest.mark.engine
def test_the_guestbook_is_built_without_a_network(tmp_path):
    wheels = wheelhouse.folder()
    if not wheelhouse.is_complete():
        wheels = wheelhouse.fetch(print)
    (tmp_path / "wheels").symlink_to(wheels)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "requirements.txt").write_bytes(wheelhouse.REQUIREMENTS.read_bytes())
    context = subprocess.run(
        ["tar", "--create", "--dereference", f"--directory={tmp_path}", "."],
        capture_output=True,
        check=True,
    ).stdout
    docker("build", "--quiet", "--network=none", "--tag=wheeltest:1", "-", stdin=context)
    try:
        assert docker("run", "--rm", "--network=none", "wheeltest:1", "python", "-c", TRY) == (
            f"installed {dict(amd64='x86_64', arm64='aarch64')[architecture()]}\n"
        )
    finally:
        docker("rmi", "--force", "wheeltest:1")
