"""``classroom`` in a terminal: a learner's file becomes a row of the teacher's page."""

import json
import os
import subprocess
import sys

from dockyard.core import paths


def run(home, *arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "dockyard", *arguments],
        env=os.environ | {"DOCKYARD_HOME": str(home)},
        capture_output=True, text=True, check=False, cwd=paths.CHECKOUT, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_an_exported_file_is_on_the_page_in_the_grades_and_gets_the_hint(tmp_path):
    folder = tmp_path / "evidence"
    folder.mkdir()
    said = run(tmp_path, "classroom", "export", str(folder / "ada.json")).stderr
    assert "Not your commands" in said
    run(tmp_path, "classroom", "hint", str(folder), "Look", "at port 80.")
    run(tmp_path, "classroom", "page", str(folder))
    file = folder / "who-is-where.html"
    assert file.stat().st_mode & 0o777 == 0o600
    page = file.read_text()
    assert "ada" in page
    assert "Look at port 80." in page
    grades = run(tmp_path, "classroom", "grades", str(folder), "--format", "moodle").stdout
    assert grades.splitlines()[1].startswith("ada,0")


def test_this_computers_own_report_is_a_row_of_the_laptops(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "dockyard", "doctor", "--json"],
        capture_output=True, text=True, check=False, cwd=paths.CHECKOUT, timeout=120,
    )  # fmt: skip
    (tmp_path / "this.json").write_text(done.stdout)
    chosen = json.loads(done.stdout)["chosen"]
    row = run(tmp_path, "classroom", "laptops", str(tmp_path)).stdout.splitlines()[1].split()
    assert row[0] == "this"
    assert row[2] == (chosen or "none")


def test_a_folder_that_is_missing_is_wrong_usage(tmp_path):
    done = run(tmp_path, "classroom", "page", str(tmp_path / "none"), code=2)
    assert "There is no folder" in done.stderr
