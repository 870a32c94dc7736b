"""What lessons rely on in images, listed in relied_on.toml with its official sources."""

import io
import re
import tarfile
from pathlib import Path

import pytest
from docker.errors import NotFound

from dockyard import registry
from dockyard.core import data_file, paths
from dockyard.core.data_file import Record
from dockyard.registry.image_catalog import images
from tests.registry.containers import PREFIX, need
from tests.support.image_use import programs

KNOWN = frozenset(registry.references())
NOTEBOOKS = sorted(
    file
    for folder in ("notebooks", "solutions")
    for file in (paths.CHECKOUT / folder).glob("*.ipynb")
)


class Entry(Record):
    reference: str
    official: tuple[str, ...]
    programs: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    workdir: str = ""
    stopsignal: str | None = None


class _Content(Record):
    absent: tuple[str, ...]
    images: tuple[Entry, ...]


CONTENT = data_file.load(Path(__file__).with_name("relied_on.toml"), _Content)
ENTRIES = CONTENT.images
OF = {entry.reference: entry for entry in ENTRIES}


def test_every_image_of_the_catalog_is_listed_with_its_official_sources():
    assert OF.keys() == {image.reference for image in images()}
    for image in images():
        assert bool(OF[image.reference].official) == image.hub
    for entry in ENTRIES:
        for source in entry.official:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+ [0-9a-f]{40} \S+", source)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_programs_that_a_notebook_runs_in_an_image_are_listed(notebook):
    def listed(image):
        entry = OF.get(image) or next(
            one for one in ENTRIES if one.reference.split(":")[0] == image.split(":")[0]
        )
        return {*entry.programs, *entry.gaps, *CONTENT.absent}

    unknown = {
        (image, name) for image, name in programs(notebook, KNOWN) if name not in listed(image)
    }
    assert unknown == set()


def test_a_gap_that_no_notebook_uses_any_more_is_not_listed():
    used = {found for notebook in NOTEBOOKS for found in programs(notebook, KNOWN)}
    for entry in ENTRIES:
        assert {name for name in entry.gaps if (entry.reference, name) not in used} == set()


CHECK = r"""
for name in $PROGRAMS; do command -v "$name" > /dev/null || echo "no program $name"; done
for name in $ABSENT; do command -v "$name" && echo "there is $name"; done
for name in $PATHS; do [ -e "$name" ] || [ -L "$name" ] || echo "no file $name"; done
for name in $USERS; do grep -q "^$name:" /etc/passwd || echo "no user $name"; done
printf '%s\n' "$COMMANDS" | while read -r line; do
    [ -z "$line" ] || sh -c "$line" > /dev/null 2>&1 < /dev/null || echo "failed: $line"
done
"""


@pytest.mark.engine
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.reference)
def test_an_image_has_what_lessons_rely_on(engine, filled, entry):
    need(engine, filled, entry.reference)
    image = engine.images.get(entry.reference)
    settings = image.attrs["Config"]
    assert list(settings.get("Cmd") or []) == list(entry.cmd or ())
    assert list(settings.get("Entrypoint") or []) == list(entry.entrypoint or ())
    assert settings.get("StopSignal") == entry.stopsignal
    assert entry.workdir in ("", settings["WorkingDir"])
    assert set(entry.env) <= set(settings["Env"])
    assert set(entry.expose) <= set(settings.get("ExposedPorts") or {})
    assert set(entry.volumes) <= set(settings.get("Volumes") or {})
    one = engine.containers.create(
        entry.reference,
        ["-c", CHECK],
        name=f"{PREFIX}relied-on",
        entrypoint="sh",
        environment={
            "PROGRAMS": " ".join((*entry.programs, *entry.gaps)),
            "ABSENT": " ".join(CONTENT.absent),
            "PATHS": " ".join(entry.paths),
            "USERS": " ".join(entry.users),
            "COMMANDS": "\n".join(entry.commands),
        },
    )
    try:
        if entry.programs:
            one.start()
            one.wait()
            assert one.logs().decode() == ""
        else:
            for path in entry.paths:
                assert path.lstrip("/") in _names_at(one, path)
    finally:
        one.remove(force=True, v=True)


def _names_at(one, path):
    try:
        stream, _ = one.get_archive(path)
    except NotFound:
        return []
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        return tar.getnames()
