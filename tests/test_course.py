"""What the course tells shells and kernels about the engine that runs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dockyard import course


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A function from the mirror's address to the value of DOCKYARD_MIRROR."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))

    def options(address):
        course.State("local", inner_mirror=address).save()
        return course.environment()["DOCKYARD_MIRROR"]

    return options


def test_an_engine_inside_a_container_gets_the_mirror_and_nothing_else(mirror):
    assert mirror("http://10.193.0.1:5050") == "--registry-mirror=http://10.193.0.1:5050"
    assert mirror("") == ""


def test_an_engine_inside_a_container_never_gives_itself_the_address_of_the_mirror(mirror):
    """Docker's own docker0 is 172.17.0.1 inside a container, too."""
    assert mirror("http://172.17.0.1:5050").split() == [
        "--registry-mirror=http://172.17.0.1:5050",
        "--default-address-pool=base=198.18.0.0/16,size=24",
    ]


@pytest.mark.parametrize("given", ["", "/nowhere"])
def test_programs_have_a_folder_for_what_they_keep_while_they_run(given, tmp_path, monkeypatch):
    """``docker compose watch`` ends at once without it."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", given)
    assert Path(course.environment()["XDG_RUNTIME_DIR"]).stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert course.environment()["XDG_RUNTIME_DIR"] == str(tmp_path)


def test_commands_that_prepare_the_home_at_once_do_not_disturb_each_other(tmp_path, monkeypatch):
    """As JupyterLab and the engine do in a student's room."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))

    def prepare(_):
        for _ in range(200):
            course.prepare_home()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(prepare, range(8)))
    assert [file.name for file in (tmp_path / "home").iterdir()] == ["logs"]
