"""Layers as the image stores write them: whole or packed, with the two kinds of whiteouts."""

import gzip
import io
import tarfile

import pytest

from dockyard.views.layer_archive import compare, read_layer

BASE = ("d/a", "d/b", "d/sub/x", "d/sub/y", "d/gone/z", "e")
OPAQUE = ("d/.wh..wh..opq", "d/b", "d/c", "d/sub/.wh..wh..opq", "d/sub/y")
"""Folder d was removed and made anew: as Docker's own image store (overlay2) records it."""

ONE_BY_ONE = ("d/.wh.a", "d/.wh.gone", "d/b", "d/c", "d/sub/.wh.x", "d/sub/y")
"""The same as containerd's image store records it."""


def layer(*names, packed=False):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        folders = {name.rpartition("/")[0] for name in names} - {""}
        for folder in sorted(folders):
            made = tarfile.TarInfo(f"{folder}/")
            made.type = tarfile.DIRTYPE
            tar.addfile(made)
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    data = content.getvalue()
    return read_layer(io.BytesIO(gzip.compress(data) if packed else data))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("again", [OPAQUE, ONE_BY_ONE], ids=["overlay2", "containerd"])
def test_a_folder_that_was_made_anew_is_told_in_the_same_way_on_both_stores(again, packed):
    stack = [layer(*BASE, packed=packed), layer(*again, packed=packed), layer("d/a", packed=packed)]
    _, second, third = compare(stack)
    assert second.removed == ["/d/a", "/d/gone", "/d/sub/x"]
    assert second.added == {"/d/c": 0}
    assert second.changed == {"/d/b": 0, "/d/sub/y": 0}
    assert third.added == {"/d/a": 0}


def test_a_folder_that_was_removed_is_one_entry():
    first, second, third = compare([layer(*BASE), layer(".wh.d"), layer("d/sub/x", "e")])
    assert len(first.added) == len(BASE)
    assert second.removed == ["/d"]
    assert (third.added, third.changed) == ({"/d/sub/x": 0}, {"/e": 0})
