from __future__ import annotations

import io
import tarfile

from dockyard.engine.vm import artifact_builds, artifacts, downloads, root_image
from tests.support import machines

own_home = machines.own_home


def test_the_image_has_what_it_needs_and_not_what_is_left_out(tmp_path):
    packed, repacked = tmp_path / "in.tar", tmp_path / "out.tar"
    with tarfile.open(packed, "w") as archive:
        for name, text in (
            ("./usr/share/man/man1/docker.1", b"manual"),
            ("./usr/bin/docker", b"program"),
            ("./usr/share/base-passwd/passwd.master", b"root:*:0:0:root:/root:/bin/bash\n"),
            ("./usr/share/base-passwd/group.master", b"root:*:0:\n"),
            ("./usr/share/ca-certificates/mozilla/A.crt", b"certificate"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    root_image.repack(packed, repacked)
    with tarfile.open(repacked) as archive:
        names = archive.getnames()
        bundle = archive.extractfile("./etc/ssl/certs/ca-certificates.crt").read()
        groups = archive.extractfile("./etc/group").read()
        init = archive.getmember("./usr/sbin/dockyard-init")
    assert "./usr/bin/docker" in names
    assert not [name for name in names if "/man/" in name]
    assert bundle == b"certificate\n"
    assert groups == b"root:*:0:\ndocker:x:999:\n"
    assert init.mode == 0o755


@machines.on_a_machine
def test_the_root_image_is_small_and_the_same_every_time(own_home, tmp_path):
    built = artifacts.prepare(print).root
    assert built.stat().st_size <= 450 * 2**20
    again = tmp_path / "again.ext4"
    artifact_builds.build("root.ext4", again)
    assert downloads.digest(again) == downloads.digest(built)
