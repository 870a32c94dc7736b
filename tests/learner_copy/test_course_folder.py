"""The learner's copy is kept up to date, and what a learner wrote is never overwritten."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import PurePosixPath

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from dockyard.core import paths, wait
from dockyard.exceptions import DiskFull, UnwritableFolder
from dockyard.learner_copy import course_folder, trust

LESSON = PurePosixPath("notebooks/08-registries.ipynb")
LAB = PurePosixPath("labs/08-registries.ipynb")


def write(file, *cells):
    """A lesson with one output; its cells are commands."""
    said = [nbformat.v4.new_output("stream", text="somebody's earlier run\n")]
    made = [nbformat.v4.new_markdown_cell("# Registries", id="title")]
    made += [
        nbformat.v4.new_code_cell(source, id=f"cell-{at}", outputs=said, execution_count=at + 1)
        for at, source in enumerate(cells)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=made), file)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A checkout with a lesson, its lab and a picture; its home is its own."""
    checkout = tmp_path / "checkout"
    monkeypatch.setattr(paths, "CHECKOUT", checkout)
    monkeypatch.delenv("DOCKYARD_HOME", raising=False)
    write(checkout / LESSON, "!docker pull busybox")
    write(checkout / LAB, "!docker images")
    (checkout / "notebooks" / "pictures").mkdir()
    (checkout / "notebooks" / "pictures" / "layers.svg").write_bytes(b"<svg/>")
    return checkout


@pytest.fixture
def copy(course):
    """The folder of the copy, made once."""
    return course_folder.update(lambda line: None)


def update():
    """Bring the copy up to date; return what was said."""
    said = []
    course_folder.update(said.append)
    return said


def sources(file):
    return [cell.source for cell in nbformat.read(file, as_version=4).cells]


def type_into(file, command="!docker pull alpine"):
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[1].source = command
    nbformat.write(notebook, file)


def files(folder):
    return sorted(
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    )


def test_the_copy_has_the_layout_of_the_course_and_no_outputs(course, copy):
    assert copy == course / "my-course"
    assert files(copy) == [str(LAB), str(LESSON), "notebooks/pictures/layers.svg"]
    assert (copy / "notebooks/pictures/layers.svg").read_bytes() == b"<svg/>"
    _, cell = nbformat.read(copy / LESSON, as_version=4).cells
    assert (cell.source, cell.outputs) == ("!docker pull busybox", [])


def test_what_lessons_make_in_the_checkout_is_not_copied(course):
    for name in ("notebooks/work/05/app.py", "labs/.ipynb_checkpoints/05.ipynb"):
        (course / name).parent.mkdir(parents=True)
        (course / name).write_text("")
    assert files(course_folder.update(print)) == [
        str(LAB), str(LESSON), "notebooks/pictures/layers.svg",
    ]  # fmt: skip


def test_another_home_has_a_copy_of_its_own(course, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    assert course_folder.update(print) == tmp_path / "home" / "my-course"
    monkeypatch.setenv("DOCKYARD_HOME", str(course / ".dockyard"))
    assert paths.learner_copy() == course / "my-course"


def test_a_kernel_uses_the_copy_of_the_home_that_it_was_started_for(course, monkeypatch):
    before = paths.learner_copy()
    monkeypatch.setenv("DOCKYARD_HOME", str(paths.home()))
    assert paths.learner_copy() == before


def test_every_page_is_signed_with_the_courses_own_key(course, copy):
    with NotebookNotary(data_dir=str(trust.folder())) as notary:
        for page in (LESSON, LAB):
            assert notary.check_signature(nbformat.read(copy / page, as_version=4))
        foreign = nbformat.read(course / LESSON, as_version=4)
        assert not notary.check_signature(foreign)


def test_a_home_that_has_lost_its_signatures_signs_untouched_pages_again(course, copy):
    (trust.folder() / "nbsignatures.db").unlink()
    update()
    with NotebookNotary(data_dir=str(trust.folder())) as notary:
        assert notary.check_signature(nbformat.read(copy / LESSON, as_version=4))


def test_without_a_change_nothing_is_written_and_nothing_said(copy):
    before = {file: file.stat().st_mtime_ns for file in copy.rglob("*.ipynb")}
    assert update() == []
    assert {file: file.stat().st_mtime_ns for file in copy.rglob("*.ipynb")} == before


def test_an_untouched_page_is_replaced_by_its_update(course, copy):
    write(course / LESSON, "!docker pull debian")
    assert update() == []
    assert sources(copy / LESSON)[1:] == ["!docker pull debian"]
    assert len(files(copy)) == 3


def test_a_page_with_the_learners_work_is_kept_and_the_update_put_beside_it(course, copy):
    type_into(copy / LESSON)
    write(course / LESSON, "!docker pull debian")
    (said,) = update()
    assert said == (
        "08-registries.ipynb was updated: the new one is 08-registries.new.ipynb, yours is kept"
    )
    beside = copy / "notebooks" / "08-registries.new.ipynb"
    assert sources(copy / LESSON)[1:] == ["!docker pull alpine"]
    assert sources(beside)[1:] == ["!docker pull debian"]
    beside.unlink()
    assert update() == []
    assert not beside.exists(), "a new edition that the learner has deleted comes again"


def test_a_second_update_replaces_the_first_one_unless_that_was_used_too(course, copy):
    type_into(copy / LESSON)
    for edition in ("one", "two"):
        write(course / LESSON, f"!echo {edition}")
        update()
    beside = copy / "notebooks" / "08-registries.new.ipynb"
    assert sources(beside)[1:] == ["!echo two"]
    type_into(beside, "!echo mine")
    write(course / LESSON, "!echo three")
    (said,) = update()
    assert "08-registries.new2.ipynb" in said
    assert sources(beside)[1:] == ["!echo mine"]
    assert sources(copy / "notebooks" / "08-registries.new2.ipynb")[1:] == ["!echo three"]


def test_a_page_that_is_again_as_given_becomes_the_new_edition(course, copy):
    type_into(copy / LESSON)
    write(course / LESSON, "!docker pull debian")
    update()
    type_into(copy / LESSON, "!docker pull busybox")
    assert update() == []
    assert sources(copy / LESSON)[1:] == ["!docker pull debian"]
    assert not (copy / "notebooks" / "08-registries.new.ipynb").exists()


def test_a_deleted_page_comes_back(copy):
    (copy / LESSON).unlink()
    update()
    assert (copy / LESSON).exists()


@pytest.mark.parametrize("touched", [False, True])
def test_a_page_that_the_course_no_longer_has_goes_unless_it_was_used(course, copy, touched):
    if touched:
        type_into(copy / LESSON)
    (course / LESSON).unlink()
    update()
    assert (copy / LESSON).exists() == touched
    assert (copy / LAB).exists()


def test_without_its_record_every_page_that_differs_counts_as_the_learners(course, copy):
    (copy / ".given.json").write_text("{")
    write(course / LESSON, "!docker pull debian")
    update()
    assert sources(copy / LESSON)[1:] == ["!docker pull busybox"]
    assert (copy / "notebooks" / "08-registries.new.ipynb").exists()


def test_renewing_keeps_the_learners_version_and_removes_a_new_edition_beside_it(course, copy):
    type_into(copy / LESSON)
    write(course / LESSON, "!docker pull debian")
    update()
    said = []
    course_folder.renew([LESSON, LAB], said.append)
    assert sources(copy / LESSON)[1:] == ["!docker pull debian"]
    (kept,) = (copy / "notebooks").glob("08-registries.2*.ipynb")
    assert sources(kept)[1:] == ["!docker pull alpine"]
    assert said == [f"08-registries.ipynb is as it came; your version is {kept.name}"]
    assert not (copy / "notebooks" / "08-registries.new.ipynb").exists()


@contextmanager
def mounted(folder, options):
    """A small file system of its own at folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


@needs_root
def test_a_full_disk_is_an_error_that_says_so_and_leaves_no_half_file(course):
    (course / "notebooks" / "large.bin").write_bytes(b"x" * 2**20)
    with mounted(course / "my-course", "size=256k"):
        with pytest.raises(DiskFull, match="no room for your copy"):
            update()
        assert str(LAB) not in files(course / "my-course")
        assert not list((course / "my-course").rglob("*.part"))
        (course / "notebooks" / "large.bin").unlink()
        update()
        assert {str(LAB), str(LESSON)} <= set(files(course / "my-course"))


@needs_root
def test_a_read_only_checkout_is_an_error_that_names_another_folder(course, tmp_path, monkeypatch):
    with mounted(course / "my-course", "ro"):
        with pytest.raises(UnwritableFolder) as caught:
            update()
        assert "Read-only file system" in str(caught.value)
        assert "DOCKYARD_HOME=" in str(caught.value)
        monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
        assert (course_folder.update(print) / LESSON).exists()


def test_a_folder_that_cannot_be_written_is_an_error_that_names_another_one(course):
    (course / "my-course").write_text("not a folder")
    with pytest.raises(UnwritableFolder) as caught:
        update()
    assert "DOCKYARD_HOME=" in str(caught.value)


def test_a_copy_that_was_killed_is_whole_file_by_file_and_goes_on(course, tmp_path):
    for number in range(300):
        write(course / "notebooks" / f"{number:03}-lesson.ipynb", f"!echo {number}")
    script = (
        "from dockyard.core import paths; from pathlib import Path\n"
        f"paths.CHECKOUT = Path({str(course)!r})\n"
        "from dockyard.learner_copy import course_folder\n"
        "course_folder.update(print)"
    )
    child = subprocess.Popen([sys.executable, "-c", script])
    folder = course / "my-course" / "notebooks"
    wait.until("the first pages", lambda: folder.exists() and any(folder.iterdir()), 60)
    child.send_signal(signal.SIGKILL)
    child.wait()
    for file in folder.glob("*.ipynb"):
        nbformat.read(file, as_version=4)
    (folder / ".000-lesson.ipynb.part").write_text("half")
    update()
    assert len(list(folder.glob("*.ipynb"))) == 301
    assert list(folder.glob(".*")) == []
    with NotebookNotary(data_dir=str(trust.folder())) as notary:
        assert all(
            notary.check_signature(nbformat.read(file, as_version=4))
            for file in folder.glob("*.ipynb")
        )


def test_git_sees_nothing_of_the_copy():
    ignored = subprocess.run(
        ["git", "check-ignore", "my-course/notebooks/00-start-here.ipynb"],
        cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ignored.returncode == 0


def test_every_link_to_a_file_leads_to_one_in_the_copy():
    broken = []
    known = {str(page) for page in course_folder._sources()}
    for page in course_folder.pages():
        source = (paths.CHECKOUT / page).read_text()
        text = course_folder.page_text.make(source, page, set(course_folder.pages()))
        for cell in nbformat.reads(text, as_version=4).cells:
            if cell.cell_type != "markdown":
                continue
            for link in re.findall(r"(?:\]\(|src=\"|href=\")([^)\s\"#]+)", cell.source):
                target = os.path.normpath(page.parent / link)
                if "://" not in link and target not in known:
                    broken.append((str(page), link))
    assert broken == []
