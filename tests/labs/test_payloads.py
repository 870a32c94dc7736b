"""Reading multiplexed streams, archives and layers."""

import gzip
import io
import tarfile

import pytest

from dockyard.labs import payloads

BLOCK = 1 << 20


def frame(kind, text):
    return bytes([kind, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


def archive(*members):
    """A tar archive; a member without text is a folder."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, text in members:
            member = tarfile.TarInfo(name)
            if text is None:
                member.type = tarfile.DIRTYPE
            else:
                member.size = len(text)
            tar.addfile(member, io.BytesIO(text or b""))
    return file.getvalue()


def test_the_streams_of_a_command_are_told_apart():
    stream = frame(1, b"out ") + frame(2, b"err ") + frame(1, "schön".encode())
    assert payloads.demultiplex(stream) == "out err schön"
    assert payloads.demultiplex(stream, [payloads.STDOUT]) == "out schön"
    assert payloads.demultiplex(stream, [payloads.STDERR]) == "err "


def test_the_first_file_of_an_archive_is_read():
    assert payloads.first_file(archive(("folder", None), ("folder/note", b"hello"))) == "hello"
    assert payloads.first_file(archive(("folder", None))) is None


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("before", [0, 10, BLOCK - 3, BLOCK, 2 * BLOCK - 1])
def test_a_text_is_found_anywhere_in_a_layer(pack, before):
    layer = pack(b"." * before + b"secret" + b".")
    assert payloads.layer_contains(io.BytesIO(layer), b"secret")
    assert not payloads.layer_contains(io.BytesIO(layer), b"secrets")
