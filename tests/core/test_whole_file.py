"""A file is the old one or the new one, never a part."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dockyard.core import whole_file


def test_the_content_is_replaced_and_nothing_else_is_left(tmp_path):
    file = tmp_path / "state.json"
    whole_file.write(file, b"old")
    whole_file.write(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_old_content_alone(tmp_path, monkeypatch):
    file = tmp_path / "state.json"
    whole_file.write(file, b"old")

    def half(self, content):
        with self.open("wb") as part:
            part.write(content[:1])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="no space"):
        whole_file.write(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_several_writers_at_once_leave_the_content_of_one(tmp_path):
    file = tmp_path / "file"
    texts = [bytes([letter]) * 10_000 for letter in b"abcdefgh"]

    def write(text):
        for _ in range(200):
            whole_file.write(file, text)

    with ThreadPoolExecutor(len(texts)) as pool:
        list(pool.map(write, texts))
    assert file.read_bytes() in texts
    assert list(tmp_path.iterdir()) == [file]
