"""A data file that is not valid is reported with its key and line."""

from collections.abc import Mapping

import pytest

from dockyard.core import data_file
from dockyard.core.data_file import Record
from dockyard.exceptions import InvalidDataFile, UsageError


class Way(Record):
    shell: str


class Task(Record):
    name: str
    ways: tuple[Way, ...] = ()
    notes: Mapping[str, str] = {}


class Course(Record):
    title: str
    tasks: tuple[Task, ...] = ()
    lessons: Mapping[str, Task] = {}


VALID = '''\
title = "Sample"

[[tasks]]
name = "first"
ways = [
  { shell = """
name = "not a key"
[not a table]
""" },
  { shell = "true" },
]

[[tasks]]
name = "second"
[tasks.notes]
a = "why"

[lessons.one]
name = "1"

[lessons."two"]
name = "2"
notes = { b = "so" }
'''


@pytest.fixture
def load(tmp_path):
    def write_and_load(text):
        file = tmp_path / "sample.toml"
        file.write_text(text)
        return data_file.load(file, Course)

    return write_and_load


def test_a_valid_file_becomes_records(load):
    course = load(VALID)
    assert [task.name for task in course.tasks] == ["first", "second"]
    assert course.tasks[0].ways[1] == Way("true")
    assert course.lessons["two"].notes == {"b": "so"}


@pytest.mark.parametrize(
    ("good", "bad", "line", "key", "fault"),
    [
        ('title = "Sample"', 'titel = "Sample"', 1, "titel", "unknown field `titel`"),
        ('title = "Sample"', "title = 7", 1, "title", "Expected `str`, got `int`"),
        ('name = "second"', 'nam = "second"', 14, "tasks[1].nam", "unknown field `nam`"),
        ('name = "second"', "", 13, "tasks[1]", "missing required field `name`"),
        ('name = "second"', "name = []", 14, "tasks[1].name", "Expected `str`, got `array`"),
        ('{ shell = "true" }', '{ shel = "true" }', 5, "tasks[0].ways[1].shel", "unknown field"),
        ('a = "why"', "a = 1", 16, "tasks[1].notes.a", "Expected `str`, got `int`"),
        ('name = "2"', 'name = "2"\nx = 1', 23, "lessons.two.x", "unknown field `x`"),
        ('{ b = "so" }', "{ b = 1.5 }", 23, "lessons.two.notes.b", "Expected `str`, got `float`"),
    ],
)
def test_a_wrong_missing_or_misspelled_key_is_named(load, good, bad, line, key, fault):
    assert VALID.count(good) == 1
    with pytest.raises(InvalidDataFile) as caught:
        load(VALID.replace(good, bad))
    assert caught.value.what.endswith("sample.toml is not valid.")
    assert caught.value.why.startswith(f"Line {line}, in {key}: ")
    assert fault in caught.value.why
    assert caught.value.next.startswith("Its format is described at the top of ")


def test_a_missing_key_of_the_whole_file_is_named(load):
    with pytest.raises(InvalidDataFile) as caught:
        load('[[tasks]]\nname = "first"\n')
    assert caught.value.why == "Line 1: Object missing required field `title`."


def test_a_file_that_is_not_toml_is_reported_with_its_line(load):
    with pytest.raises(InvalidDataFile) as caught:
        load('title = "Sample"\n\nname = = 1\n')
    assert "line 3" in caught.value.why


def test_a_file_is_chosen_by_its_name_or_its_number(tmp_path):
    for name in ("01-one.toml", "02-two.toml", "other.txt"):
        (tmp_path / name).touch()
    assert data_file.names(tmp_path) == ["01-one", "02-two"]
    assert data_file.choose(tmp_path, "02", "") == data_file.choose(tmp_path, "02-two", "")
    with pytest.raises(UsageError) as caught:
        data_file.choose(tmp_path, "03", "There is none.")
    assert str(caught.value) == "There is none.\nChoose one of: 01-one, 02-two."
