"""The form of the lessons, which nbval does not check: it passes a notebook that never ran."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from dockyard.authoring import fresh_state, notebook_store
from dockyard.authoring.notebook_form import canonical
from dockyard.commands import test
from dockyard.core import paths
from dockyard.drills import drill_catalog

SYLLABUS = [f"S{number:02d}" for number in range(1, 49)]
LESSONS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
STORED = notebook_store.stored()
NOT_COMPARED = {"nbval-ignore-output", "nbval-skip"}


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def markdown(path):
    return [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def outputs(cell):
    for output in cell.outputs:
        yield output.get("text") or "\n".join(
            [*map(str, output.get("data", {}).values()), *output.get("traceback", [])]
        )


def minutes(path):
    return int(re.search(r"\*\*Minutes:\*\* (\d+)", "\n".join(markdown(path)))[1])


def lesson_rows(text):
    """The cells of each row that starts with a lesson's number."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows if re.match(r" \[?\d\d\b", row[0])]


each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
each_stored = pytest.mark.parametrize(
    "path", STORED, ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def test_the_course_is_complete():
    numbers = [int(path.stem.partition("-")[0]) for path in LESSONS]
    assert numbers == list(range(16))


@each_stored
def test_a_notebook_is_stored_in_canonical_form(path):
    assert path.read_text() == canonical(read(path))


@each_stored
def test_every_code_cell_has_been_run_in_order(path):
    counts = [cell.execution_count for cell in code_cells(path) if "nbval-skip" not in tags(cell)]
    assert counts == list(range(1, len(counts) + 1))


@each_stored
def test_a_cell_fails_only_if_it_is_tagged_for_it(path):
    assert [cell.id for cell in notebook_store.unexpected_failures(read(path))] == []


@each_stored
def test_a_cell_that_is_tagged_to_fail_did_fail(path):
    for cell in code_cells(path):
        if "fails-on-purpose" in tags(cell):
            assert any("[exit code " in text for text in outputs(cell)), cell.id


@each_stored
def test_a_cell_is_left_out_of_comparison_only_with_a_reason(path):
    for cell in code_cells(path):
        if NOT_COMPARED & tags(cell):
            assert len(cell.metadata.get("reason", "")) > 15, cell.id


@each_stored
def test_no_output_names_this_machine(path):
    private = re.compile(rf"{re.escape(str(paths.CHECKOUT))}|/home/\w+|\x1b")
    for cell in code_cells(path):
        for text in outputs(cell):
            assert not private.search(text), f"{cell.id}: {private.search(text)}"


@each_lesson
def test_a_lesson_has_its_frame(path):
    cells = code_cells(path)
    assert cells[0].source.startswith(f"%load_ext dockyard\n%lesson {path.stem}")
    assert cells[-1].source.strip().endswith("%tidy")


@each_lesson
def test_a_lesson_opens_with_its_goals_and_closes_with_a_summary(path):
    texts = markdown(path)
    opening = texts[0]
    assert opening.startswith("# ")
    assert "you will be able to" in opening
    assert re.search(r"\*\*Minutes:\*\* \d+", "\n".join(texts[:3]))
    assert "**You need before:**" in "\n".join(texts[:3])
    assert re.search(rf"\*\*Lab:\*\* \[[^]]+\]\(\.\./labs/{path.name}\)", "\n".join(texts[:3]))
    closing = "\n".join(texts[-3:])
    assert "In this notebook you" in closing
    assert "https://docs.docker.com/" in closing


@each_lesson
def test_a_lesson_closes_with_its_drills_and_its_lab(path):
    summary = next(text for text in markdown(path) if text.startswith("In this notebook you:"))
    has_drills = any(drill.lesson == path.stem for drill in drill_catalog.load().values())
    drills = f"`%drill {path.stem[:2]}`" if has_drills else "`%drill`"
    paragraphs = summary.split("\n\n")
    (at,) = (at for at, text in enumerate(paragraphs) if drills in text)
    assert f"labs/{path.stem}.ipynb" in paragraphs[at + 1]


def test_both_tables_of_lessons_have_the_minutes_of_each_lesson():
    said = [minutes(path) for path in LESSONS]
    welcome = lesson_rows("\n".join(markdown(LESSONS[0])))
    readme = lesson_rows((paths.CHECKOUT / "README.md").read_text())
    assert [int(row[2]) for row in welcome] == said
    assert [int(row[3]) for row in readme] == said


def test_the_welcome_page_adds_up_the_minutes_of_each_path():
    text = "\n".join(markdown(LESSONS[0]))
    sums = re.findall(r"00 to (\d\d), (\d+) minutes", text)
    assert len(sums) == 3
    for last, total in [*sums, ("99", re.search(r"All of them: (\d+) minutes", text)[1])]:
        assert int(total) == sum(minutes(path) for path in LESSONS if path.stem[:2] <= last), last


# The first, the welcome page, only shows the way.
@pytest.mark.parametrize("path", LESSONS[1:], ids=lambda path: path.stem)
def test_a_lesson_asks_before_it_answers_and_fails_once(path):
    assert sum("**Predict" in text for text in markdown(path)) >= 3
    assert any({"fails-on-purpose", "raises-exception"} & tags(cell) for cell in code_cells(path))


@pytest.mark.parametrize("claim", SYLLABUS)
def test_a_claim_of_the_syllabus_is_shown_by_a_live_compared_cell(claim):
    showing = [
        cell
        for path in LESSONS
        for cell in code_cells(path)
        if f"claim:{claim}" in tags(cell) and not NOT_COMPARED & tags(cell) and cell.outputs
    ]
    assert showing


def share_compared(lessons):
    cells = [cell for path in lessons for cell in code_cells(path)]
    return sum(not NOT_COMPARED & tags(cell) for cell in cells) / len(cells)


def test_at_least_95_percent_of_the_cells_are_compared():
    assert share_compared(LESSONS) >= 0.95


PLUMBING = re.compile(r"--format\b|--filter\b|(?<!\|)\|(?!\|)|;\s*do\b")


@pytest.mark.parametrize("path", LESSONS[:12], ids=lambda path: path.stem)
def test_the_first_lessons_show_what_a_terminal_prints(path):
    """Formats, filters, pipes and loops are there only where they are the subject."""
    for cell in code_cells(path):
        if cell.source.startswith("%%writefile") or "your-turn" in tags(cell):
            continue
        if PLUMBING.search(cell.source):
            assert "plumbing" in tags(cell), cell.id
            assert len(cell.metadata.get("reason", "")) > 15, cell.id


def sanitizers():
    text = test.SANITIZE.read_text()
    return re.findall(r"^regex: (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("rule", [rule for rule in sanitizers() if " cn(" not in rule])
def test_every_sanitizing_rule_is_needed_by_some_stored_output(rule):
    texts = (text for path in STORED for cell in code_cells(path) for text in outputs(cell))
    assert any(re.search(rule, text) for text in texts)


def test_every_sanitizing_rule_has_a_name():
    lines = [line for line in test.SANITIZE.read_text().splitlines() if line]
    named = [
        lines[at - 1].startswith("[") for at, line in enumerate(lines) if line.startswith("regex:")
    ]
    assert named and all(named)


@pytest.mark.engine
@pytest.mark.slow
def test_a_changed_output_fails_the_tests(tmp_path: Path):
    """Tests are worth something only if they can fail."""
    lesson = paths.NOTEBOOKS / "00-start-here.ipynb"
    notebook = read(lesson)
    cell = next(
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "hello" in cell.source and not NOT_COMPARED & tags(cell)
    )
    cell.outputs[0]["text"] += "This line was never printed.\n"
    altered = tmp_path / lesson.name
    altered.write_text(canonical(notebook))
    fresh_state.make(lesson)
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env",
            f"--nbval-sanitize-with={test.SANITIZE}", "-p", "no:cacheprovider",
            "-p", "tests.support.nbval_comparison",
            "--rootdir", tmp_path, "-c", "/dev/null", str(altered),
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "This line was never printed." in done.stdout
    assert "1 failed" in done.stdout
