"""A learner agrees, is seen, asks for help, and takes it back; before that nothing is shared."""

import getpass
import json
import time

import pytest

from dockyard.core import classroom_file
from dockyard.core.classroom_file import Place
from dockyard.exceptions import SharingFailed, UsageError
from dockyard.sharing import evidence_file, room, share_magic, teacher
from tests.sharing.conftest import PAGE, finish


def learner(folder):
    (only,) = room.load(folder).learners
    return only


def test_nothing_is_shared_or_measured_before_the_learner_agrees(folder):
    finish("web")
    classroom_file.look(Place(PAGE, "page"))
    teacher.exchange()
    assert room.load(folder).learners == []
    assert classroom_file.load().page == ""
    assert "Nothing is shared now." in share_magic.explain()
    with pytest.raises(UsageError):
        share_magic.ask(PAGE)


def test_the_teacher_sees_what_was_agreed_and_no_more(folder):
    finish("web")
    share_magic.agree()
    found = learner(folder)
    assert (found.name, found.done(PAGE)) == (getpass.getuser(), ["web"])
    text = (folder / getpass.getuser() / teacher.FILE).read_text()
    assert set(json.loads(text)) == {"kind", "version", "made", "pages", "here", "help"}
    assert set(json.loads(text)["pages"][PAGE]) == {"done", "hints", "seconds"}


def test_what_was_shared_is_removed_when_the_learner_takes_it_back(folder):
    share_magic.agree()
    classroom_file.look(Place(PAGE, "web"))
    assert learner(folder)
    assert "removed" in share_magic.revoke()
    assert room.load(folder).learners == []
    assert classroom_file.load() == classroom_file.ClassroomState()
    teacher.exchange()
    assert room.load(folder).learners == []


def test_the_time_with_a_page_in_front_counts_for_the_task_that_is_next(monkeypatch):
    classroom_file.agree()
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    for pause in (2.5, 2.5, 2.5, 2.5, 4000, 5):
        classroom_file.look(evidence_file.place(PAGE))
        now += pause
    finish("web")
    classroom_file.look(evidence_file.place(PAGE))
    now += 7
    classroom_file.look(evidence_file.place(PAGE))
    # The pause of more than an hour does not count.
    assert classroom_file.load().seconds == {PAGE: {"web": 10, "page": 12}}


def test_a_learner_asks_for_help_with_the_task_that_is_next(folder):
    finish("web")
    share_magic.agree()
    share_magic.ask(PAGE)
    assert [each.evidence.help for each in room.load(folder).calls()] == [Place(PAGE, "page")]
    share_magic.ask(None)
    assert room.load(folder).calls() == []


def test_a_hint_reaches_also_those_who_share_nothing_and_is_said_once(folder, monkeypatch):
    monkeypatch.setattr(classroom_file, "_said", "")
    assert classroom_file.news() == ""
    assert teacher.write_hint(folder, " Look at\nport\x1b 80.\n") == "Look at port 80."
    teacher.exchange()
    assert classroom_file.news() == "Your teacher says: Look at port 80."
    assert classroom_file.news() == ""
    teacher.write_hint(folder, "")
    teacher.exchange()
    assert classroom_file.load().hint == ""
    with pytest.raises(UsageError):
        teacher.write_hint(folder, "x" * 301)


@pytest.mark.parametrize("hint", [b"{", b"[" * 9000, b'{"text": 1}', b"\xff"])
def test_a_hint_file_that_is_none_is_a_fault_of_the_classroom(folder, hint):
    (folder / teacher.HINT).write_bytes(hint)
    with pytest.raises(SharingFailed):
        teacher.exchange()
    assert teacher.read_hint(folder) == ""


def test_a_missing_folder_and_a_silent_service_are_said(folder, monkeypatch):
    (folder / getpass.getuser()).rmdir()
    assert "has to make it" in share_magic.agree()
    monkeypatch.setenv("DOCKYARD_CLASSROOM", "http://127.0.0.1:9/services/classroom/")
    assert "It does not answer." in share_magic.agree()


def test_without_a_classroom_nothing_is_agreed():
    assert share_magic.agree() == share_magic.NO_TEACHER
    assert not classroom_file.load().agreed
    teacher.exchange()
