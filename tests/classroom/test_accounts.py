"""Which system user belongs to a student's name at the hub."""

import re

import pytest

from classroom import accounts


def test_a_plain_name_gets_a_prefix_so_that_nobody_is_root():
    assert accounts.name("ada", "student-") == "student-ada"
    assert accounts.name("root", "student-") == "student-root"


@pytest.mark.parametrize("student", ["ada", "Ada.Lovelace", "ada_l", "ada@school"])
def test_an_account_of_the_server_is_used_as_it_is(student):
    assert accounts.name(student, "") == student


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
    with pytest.raises(accounts.NoAccount, match="gets no room"):
        accounts.ensure("root")
    with pytest.raises(accounts.NoAccount, match="gets no room"):
        accounts.existing("root")


def test_an_account_that_is_missing_is_not_made():
    with pytest.raises(accounts.NoAccount, match="has no account"):
        accounts.existing("../nobody-here")
