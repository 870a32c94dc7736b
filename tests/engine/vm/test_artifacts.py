from __future__ import annotations

import shutil

from dockyard.engine.vm import artifacts
from tests.support import machines

pytestmark = machines.MARKS
own_home, shared, engine = machines.own_home, machines.shared, machines.engine


def test_a_truncated_program_is_made_anew_by_the_next_start(engine):
    engine.stop(print)
    for name in ("network", "guest"):
        cut = artifacts.place(name)
        content = cut.read_bytes()
        cut.unlink()  # a hard link: the course's own must not be cut
        cut.write_bytes(content[:1000])
    assert engine.start(print) is not None


def test_a_truncated_root_image_is_noticed_and_made_anew(engine):
    root = artifacts.prepare(print).root
    engine.stop(print)
    aside = root.with_suffix(".aside")
    shutil.copy(root, aside)
    root.unlink()  # a hard link: the course's own must not be cut
    try:
        root.write_bytes(b"\0" * 2**20)
        assert not artifacts.complete(root)
    finally:
        shutil.move(aside, root)
    assert artifacts.complete(root)


def test_what_an_earlier_version_of_the_course_made_is_removed(own_home):
    earlier = [artifacts.folder() / f"0123456789ab-root.ext4{each}" for each in ("", ".size")]
    other_kernel = artifacts.folder() / "0123456789ab-vmlinux"
    for file in (*earlier, other_kernel):
        file.write_bytes(b"")
    made = artifacts.prepare(print)
    assert not any(file.exists() for file in earlier)
    assert other_kernel.exists(), "it is of the other kernel, which was not asked for"
    other_kernel.unlink()
    assert all(map(artifacts.complete, vars(made).values()))
