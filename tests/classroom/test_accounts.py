"""Which system user belongs to a student's name at the hub."""

import re

import pytest

from classroom import accounts


def test_a_plain_name_gets_a_prefix_so_that_nobody_is_root():
    assert accounts.name("ada", "student-") == "student-ada"
    assert accounts.name("root", "student-") == "student-root"
    assert accounts.name("ada", "") == "ada"


@pytest.mark.parametrize(
    "student", ["Ada", "ada lovelace", "ada@example.org", "ada_l", "..", "ødegård", "a" * 99]
)
def test_any_other_name_becomes_a_user_of_its_own(student):
    found = accounts.name(student, "student-")
    assert re.fullmatch(r"student-[a-z0-9-]*_[0-9a-f]{8}", found)
    assert len(found) <= accounts.LONGEST


def test_no_two_students_have_the_same_user():
    students = ["ada", "Ada", "a.da", "a-da", "a da", "a_da", "a" * 40, "a" * 41]
    assert len({accounts.name(each, "student-") for each in students}) == len(students)


def test_a_user_of_the_system_gets_no_room():
    with pytest.raises(PermissionError, match="gets no room"):
        accounts.ensure("root")
