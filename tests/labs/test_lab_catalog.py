"""The lab catalog is checked when it is read."""

import pytest

from dockyard.core import data_file
from dockyard.exceptions import InvalidDataFile, UsageError
from dockyard.labs import lab_catalog
from dockyard.labs.lab_catalog import LabFile, MistakeRecord

TEXT = (lab_catalog.FOLDER / "03-containers.toml").read_text()
WAY = '{ shell = "docker pause $BOX" }'


@pytest.mark.parametrize(
    ("good", "bad", "why"),
    [
        ("minutes = 25\n", "", "Object missing required field `minutes`"),
        ("minutes = 25", "minuts = 25", "minuts: Object contains unknown field `minuts`"),
        ('WEB = "name:front"', 'WEB = "nam:front"', "values.WEB: Expected `str` matching regex"),
        (WAY, "{}", "reps[1].right[0]: A way has either the key `shell` or the key `python`"),
        (WAY, '{ shell = "a", python = "b" }', "reps[1].right[0]: A way has either the key"),
        (f"[{WAY}]", "[]", "reps[1].right: Expected `array` of length >= 1"),
    ],
)
def test_a_mistake_in_the_file_of_a_lab_is_named(tmp_path, good, bad, why):
    assert TEXT.count(good) == 1
    file = tmp_path / "99-sample.toml"
    file.write_text(TEXT.replace(good, bad))
    with pytest.raises(InvalidDataFile) as caught:
        data_file.load(file, LabFile)
    assert why in caught.value.why
    assert caught.value.next.endswith("dockyard/labs/lab_catalog.py.")


def test_a_mistake_in_the_bank_of_mistakes_is_named(tmp_path):
    text = lab_catalog.MISTAKES.read_text()
    file = tmp_path / "mistakes.toml"
    file.write_text(text.replace("[port-not-published]\ntitle", "[port-not-published]\ntitel"))
    with pytest.raises(InvalidDataFile, match=r"mistakes\.toml is not valid") as caught:
        data_file.load(file, dict[str, MistakeRecord])
    assert "in port-not-published.titel: " in caught.value.why


def test_a_lab_is_found_by_its_name_or_its_number():
    assert lab_catalog.load("03") == lab_catalog.load("03-containers")
    with pytest.raises(UsageError, match="no lab called '99'"):
        lab_catalog.load("99")


def test_an_exercise_is_found_by_its_name():
    lab = lab_catalog.load("03")
    assert lab.exercise("web") == lab.tasks[0]
    assert lab.exercise("stays") == lab.reps[0]
    with pytest.raises(UsageError, match="has no task 'nothing'"):
        lab.exercise("nothing")
