"""Tests of the guestbook; pytest runs them without a network and without a database."""

import pytest

from app import create_app
from storage import FileStorage, PostgresStorage, open_storage


@pytest.fixture
def visitor(tmp_path):
    return create_app(FileStorage(tmp_path)).test_client()


def sign(visitor, name="Ada", sentence="Hello from the engine room."):
    return visitor.post("/", data={"name": name, "sentence": sentence})


def test_a_new_guestbook_is_empty(visitor):
    assert "Nobody has signed yet" in visitor.get("/").text


def test_an_entry_appears_on_the_page(visitor):
    assert sign(visitor).status_code == 303
    page = visitor.get("/").text
    assert "Ada" in page
    assert "Hello from the engine room." in page


def test_the_newest_entry_comes_first(visitor):
    sign(visitor, "first")
    sign(visitor, "second")
    names = [entry["name"] for entry in visitor.get("/entries").json["entries"]]
    assert names == ["second", "first"]


def test_entries_outlive_the_program(tmp_path):
    sign(create_app(FileStorage(tmp_path)).test_client())
    restarted = create_app(FileStorage(tmp_path)).test_client()
    assert "Ada" in restarted.get("/").text


def test_html_in_an_entry_is_shown_as_text(visitor):
    sign(visitor, "<script>alert(1)</script>")
    assert "<script>alert" not in visitor.get("/").text


@pytest.mark.parametrize(
    "name, sentence", [("", "x"), ("x", " "), ("x" * 41, "y"), ("x", "y" * 201)]
)
def test_an_entry_needs_a_short_name_and_a_sentence(visitor, name, sentence):
    assert sign(visitor, name, sentence).status_code == 400
    assert visitor.get("/entries").json["entries"] == []


def test_the_health_page_counts_entries(visitor):
    sign(visitor)
    assert visitor.get("/health").text == "ok, 1 entries\n"


def test_a_folder_that_cannot_be_written_is_an_error_page(tmp_path):
    (tmp_path / "file").write_text("")
    answer = create_app(FileStorage(tmp_path / "file")).test_client().get("/health")
    assert answer.status_code == 503


def test_a_database_that_does_not_answer_is_an_error_page():
    nowhere = PostgresStorage("127.0.0.1", "guestbook", "", "guestbook")
    nowhere.settings["port"] = 9
    answer = create_app(nowhere).test_client().get("/")
    assert answer.status_code == 503
    assert "127.0.0.1" in answer.text


def test_the_password_can_come_from_a_file(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("hush\n")
    storage = open_storage({"DATABASE_HOST": "db", "DATABASE_PASSWORD_FILE": str(secret)})
    assert storage.settings["password"] == "hush"
