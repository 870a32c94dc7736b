from __future__ import annotations

import subprocess
import tarfile

import pytest

from dockyard.core import download
from dockyard.engine import debian_archive, engine_root
from dockyard.engine.vm import artifact_builds, artifacts, root_image
from dockyard.exceptions import InstallFailed
from tests.support import machines

own_home = machines.own_home


def package(folder, name, files):
    """Make a Debian package."""
    content = folder / name
    (content / "DEBIAN").mkdir(parents=True)
    (content / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: me <me@example.org>\n"
        "Description: a sample\n"
    )
    for path, text in files.items():
        (content / path).parent.mkdir(parents=True, exist_ok=True)
        (content / path).write_text(text)
    made = folder / f"{name}_1_all.deb"
    words = ["dpkg-deb", "--build", "--root-owner-group", content, made]
    subprocess.run(words, check=True, capture_output=True)
    return made


def test_the_image_has_what_it_needs_and_not_what_is_left_out(tmp_path):
    packages = [
        package(
            tmp_path,
            "docker-cli",
            {
                "usr/share/man/man1/docker.1": "manual",
                "usr/share/doc/docker-cli/README": "documentation",
                "usr/share/doc/docker-cli/copyright": "licence",
                "usr/bin/docker": "program",
            },
        ),
        package(
            tmp_path,
            "base-passwd",
            {
                "usr/bin/other": "program",
                "usr/share/base-passwd/passwd.master": "root:*:0:0:root:/root:/bin/bash\n",
                "usr/share/base-passwd/group.master": "root:*:0:\n",
                "usr/share/ca-certificates/mozilla/A.crt": "certificate",
            },
        ),
    ]
    repacked = tmp_path / "out.tar"
    root_image.pack(packages, repacked)
    with tarfile.open(repacked) as archive:
        names = archive.getnames()
        bundle = archive.extractfile("./etc/ssl/certs/ca-certificates.crt").read()
        groups = archive.extractfile("./etc/group").read()
        init = archive.getmember("./usr/sbin/dockyard-init")
    assert {"./usr/bin/docker", "./usr/bin/other"} <= {*names}
    assert "./usr/share/doc/docker-cli/copyright" in names
    assert not [name for name in names if "/man/" in name or "README" in name]
    assert len(names) == len({*names}), "a folder of two packages is there once"
    assert bundle == b"certificate\n"
    assert groups == b"root:*:0:\ndocker:x:999:\n"
    assert init.mode == 0o755


@machines.on_a_machine
def test_a_docker_that_the_suite_no_longer_has_is_taken_from_the_day_when_it_had(
    tmp_path, monkeypatch
):
    asked = []
    real = debian_archive.private_apt

    def private_apt(folder, suites, *, archive):
        asked.append(archive)
        return real(folder, suites)

    monkeypatch.setattr(debian_archive, "private_apt", private_apt)
    monkeypatch.setattr(root_image, "PACKAGES", ("docker.io=1:2*",))
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    with pytest.raises(InstallFailed):
        root_image.build(tmp_path / "root.ext4", tmp_path)
    assert asked == [debian_archive.mirror(), engine_root.SNAPSHOT]


@machines.on_a_machine
def test_the_root_image_is_small_and_the_same_every_time(own_home, tmp_path):
    built = artifacts.prepare(print).root
    assert built.stat().st_size <= 400 * 2**20
    again = tmp_path / "again.ext4"
    artifact_builds.build("root.ext4", again)
    assert download.sha256_of(again) == download.sha256_of(built)
