from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.core import paths
from dockyard.engine.vm import guest_folder
from dockyard.exceptions import UsageError


def test_shared_folders_exist_and_none_contains_another(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    asked = [tmp_path, inner, tmp_path / "absent", Path("/")]
    monkeypatch.setenv("DOCKYARD_MACHINE_SHARE", ":".join(map(str, asked)))
    shared = guest_folder.shared_folders()
    assert tmp_path.resolve() in shared
    assert not {inner.resolve(), tmp_path / "absent", Path("/")} & set(shared)
    assert any(paths.CHECKOUT.resolve().is_relative_to(folder) for folder in shared)


def test_each_home_has_its_number_on_the_lan(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_MACHINE_LAN", str(tmp_path))
    numbers = set()
    for name in ("first", "second"):
        monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / name))
        numbers.add(guest_folder.lan().number)
    assert len(numbers) == 2
    assert all(1 < number < 255 for number in numbers)


def test_a_folder_for_the_lan_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_MACHINE_LAN", str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="does not exist"):
        guest_folder.lan()
