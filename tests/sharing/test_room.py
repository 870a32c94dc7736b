"""The teacher's page, grades and table, from files that anybody may have written."""

import csv
import io
import json
import os
import re
import time

import msgspec
import pytest

from dockyard.core.classroom_file import Place
from dockyard.sharing import evidence_file, gradebook, laptops, room, room_page
from dockyard.sharing.evidence_file import Evidence, NotEvidence, SharedPage
from tests.sharing.conftest import LAB, PAGE

TASKS = [task.name for task in LAB.tasks]


def write(folder, name, *, done=(), at="", seconds=0, help=False, age=0):
    shared = SharedPage(list(done), 0, {at: seconds} if seconds else {})
    here = Place(PAGE, at)
    evidence = Evidence(
        "dockyard-evidence", 1, "2026-01-31 09:40", {PAGE: shared}, here, here if help else None
    )
    file = room.file_for(folder, name)
    file.write_bytes(evidence_file.encode(evidence))
    os.utime(file, (time.time() - age,) * 2)
    return file


def text_of(html):
    return " ".join(re.sub("<[^>]+>", " ", html.partition("<body>")[2]).split())


def test_the_page_says_who_is_where_who_calls_and_where_many_are(tmp_path):
    write(tmp_path, "ada", done=TASKS[:1], at=TASKS[1], seconds=1200)
    write(tmp_path, "Bo", done=TASKS[:1], at=TASKS[1], seconds=60, help=True)
    write(tmp_path, "cy", done=TASKS, age=3600)
    found = room.load(tmp_path)
    assert [each.name for each in found.learners] == ["ada", "Bo", "cy"]
    (crowd,) = found.crowded()
    assert crowd == room.TaskCount(Place(PAGE, TASKS[1]), here=2, long=1, done=1, minutes=None)
    text = text_of(room_page.render(found))
    assert "3 share, 2 of them here" in text
    assert f"Help Bo : Lab {LAB.name}, {TASKS[1]}" in text
    assert "cy (away, seen 60 minutes ago)" in text
    assert f"✓ {len(TASKS)}" in text
    assert f"1 of {len(TASKS)}" in text


def test_the_median_time_is_of_those_who_have_done_a_task(tmp_path):
    for name, minutes in (("a", 4), ("b", 6), ("c", 20)):
        shared = SharedPage(TASKS[:1], 0, {TASKS[0]: minutes * 60})
        evidence = Evidence("dockyard-evidence", 1, "2026-01-31 09:40", {PAGE: shared})
        room.file_for(tmp_path, name).write_bytes(evidence_file.encode(evidence))
    first, second, *_ = room.load(tmp_path).tasks(PAGE)
    assert (first.minutes, first.done, second.minutes) == (6, 3, None)


def test_nothing_of_a_learners_becomes_markup_or_a_formula(tmp_path):
    write(tmp_path, "<script>alert(1)</script>", at=TASKS[0], help=True)
    write(tmp_path, '=HYPERLINK("http://evil")', done=TASKS)
    (tmp_path / "<b>.json").write_text("no")
    html = room_page.render(room.load(tmp_path))
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)" in html
    for form in gradebook.FORMS:
        rows = list(csv.reader(io.StringIO(gradebook.render(room.load(tmp_path), form))))
        cells = [cell for row in rows for cell in row if "HYPERLINK" in cell]
        assert cells
        assert all(cell.startswith("'=") for cell in cells)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 90_000,
        b'{"kind": "dockyard-evidence", "version": 2, "made": "2026-01-31 09:40"}',
        b'{"kind": "dockyard-evidence", "version": 1, "made": "<script>"}',
        b'{"kind": "dockyard-evidence", "version": 1, "made": "2026-01-31 09:40\\n"}',
        b" " * (evidence_file.LIMIT + 1),
    ],
)
def test_what_is_no_evidence_is_refused_without_being_quoted(content):
    with pytest.raises(NotEvidence) as refused:
        evidence_file.decode(content)
    assert "script" not in str(refused.value)


@pytest.mark.parametrize("seconds", [-1, 1e30, "1", True])
def test_numbers_have_limits(seconds):
    pages = {PAGE: {"seconds": {TASKS[0]: seconds}}}
    document = {"kind": "dockyard-evidence", "version": 1, "made": "2026-01-31 09:40"}
    with pytest.raises(NotEvidence):
        evidence_file.decode(json.dumps(document | {"pages": pages}).encode())


def test_pages_and_tasks_that_the_course_does_not_have_are_dropped():
    shared = {PAGE: SharedPage([TASKS[0], TASKS[0], "no-task"], 1, {"no-task": 9})}
    evidence = Evidence(
        "dockyard-evidence", 1, "2026-01-31 09:40",
        shared | {"labs/99-none": SharedPage()}, Place("labs/99-none"), Place(PAGE, "no-task"),
    )  # fmt: skip
    found = evidence_file.decode(msgspec.json.encode(evidence))
    assert found.pages == {PAGE: SharedPage([TASKS[0]], 1, {})}
    assert (found.here, found.help) == (None, Place(PAGE))


def test_odd_files_are_named_and_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(write(tmp_path, "ada").read_bytes())
    (tmp_path / "link.json").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    found = room.load(tmp_path)
    assert [each.name for each in found.learners] == ["ada"]
    assert [name for name, _ in found.faults] == ["folder", "link", "pipe"]


@pytest.mark.parametrize("name", ["..", "../../etc/passwd", ".", "a/b", "ä b", "\0"])
def test_any_name_has_a_file_in_the_folder_and_is_read_back(tmp_path, name):
    file = write(tmp_path, name)
    assert file.parent == tmp_path
    assert [each.name for each in room.load(tmp_path).learners] == [name]


def test_a_gradebook_has_a_row_for_each_student_and_lab(tmp_path):
    write(tmp_path, "ada", done=TASKS[:2])
    found = room.load(tmp_path)

    def rows(form):
        return list(csv.DictReader(io.StringIO(gradebook.render(found, form))))

    (row,) = [each for each in rows("nbgrader") if each["assignment"] == LAB.name]
    assert (row["student_id"], row["score"], row["max_score"]) == ("ada", "2", str(len(TASKS)))
    assert rows("moodle")[0][f"Docker lab {LAB.name}"] == str(round(200 / len(TASKS)))
    points, ada = rows("canvas")
    assert points["Student"].strip() == "Points Possible"
    assert (points[f"Docker lab {LAB.name}"], ada[f"Docker lab {LAB.name}"]) == (
        str(len(TASKS)), "2",
    )  # fmt: skip
    (row,) = [each for each in rows("plain") if each["page"] == PAGE]
    assert (row["done"], row["of"]) == ("2", str(len(TASKS)))


REPORT = {
    "providers": [
        {"provider": "local", "needs": [{"name": "daemon", "met": False, "found": "none",
                                         "next": "start Docker Desktop", "optional": False}]},
        {"provider": "embedded", "needs": [{"met": False}, {"met": False}]},
    ],
    "chosen": None, "why": "", "machine": {}, "noticed": [],
}  # fmt: skip


def test_the_table_of_laptops_begins_with_those_that_are_not_ready(tmp_path):
    notice = {"subject": "disk", "what": "The disk\x1b[2J is nearly full.", "harmful": True}
    reports = {
        "ada": REPORT | {"chosen": "local"},
        "bo": REPORT,
        "cy": REPORT | {"chosen": "local", "noticed": [notice]},
    }
    for name, report in reports.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    (tmp_path / "dee.json").write_text("the report did not work")
    table = laptops.render(laptops.load(tmp_path))
    assert "\x1b" not in table
    lines = [line.split() for line in table.splitlines()]
    assert [line[:2] for line in lines[1:5]] == [
        ["bo", "NO"], ["dee", "?"], ["cy", "look"], ["ada", "yes"],
    ]  # fmt: skip
    assert "daemon: none; start Docker Desktop" in table
    assert table.splitlines()[-1] == "1 of 4 are ready."
