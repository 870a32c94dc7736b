"""Removes the run folders of the homes that tests have made, which are beside them in /tmp."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def removed_run_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """At the end, when nothing runs any more, remove the run folders of all homes of this run."""
    homes = tmp_path_factory.getbasetemp()
    yield
    remove(homes)


def remove(homes: Path) -> None:
    """Remove the run folders of the homes in a folder, and of the folder itself."""
    for link in Path("/tmp").glob("dockyard-*-*/home"):
        if link.is_symlink() and link.readlink().is_relative_to(homes):
            shutil.rmtree(link.parent, ignore_errors=True)
