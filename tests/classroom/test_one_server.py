"""Students of one server: each has an engine of their own and reaches nobody else's anything."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import requests

from classroom import rooms
from dockyard.core import wait
from dockyard.engine.vm import artifacts
from tests.classroom.hub import (
    DISK,
    FIRST_PAGES,
    PATIENCE,
    TEACHER,
    Student,
    open_hub,
    skip_without_needs,
)
from tests.support.restricted_host import needs_root

pytestmark = [needs_root, pytest.mark.engine, pytest.mark.slow]

WEB = "docker run --detach --name web --publish {} busybox sh -c 'echo mine > index.html; httpd -f'"
# An error's text has the line that failed, and must not look like success.
TRY = "import socket; s = socket.create_connection(({!r}, {}), 3); print('rea' + 'ched')"


ROOMS = [
    (3, "embedded"),
    pytest.param((3, "machine"), marks=pytest.mark.machine),
    pytest.param((20, "embedded"), marks=pytest.mark.classroom),
    pytest.param((20, "machine"), marks=pytest.mark.classroom),
]


@pytest.fixture(scope="module", params=ROOMS, ids=lambda room: "{}-{}".format(*room))
def students(request):
    """Students who have logged in and whose engines answer."""
    number, engine = request.param
    skip_without_needs()
    if engine == "machine":
        artifacts.prepare(print)
    with open_hub(engine) as hub:
        found = [Student(hub, f"s{place}") for place in range(1, number + 1)]
        for student in found:
            student.sign_up()
        with ThreadPoolExecutor(len(found)) as pool:
            list(pool.map(Student.open_server, found))
            waited = list(pool.map(Student.wait_for_answer, found))
        print("seconds from the open page to the engine's answer:", *map(round, waited))
        yield found


@pytest.fixture
def first(students):
    """The student whom the second one tries to reach."""
    return students[0]


@pytest.fixture
def second(students):
    return students[1]


def address(student):
    """The address of a student's room."""
    return student.shell("ip -4 -oneline address show dev eth0").split()[3].partition("/")[0]


def reaches(student, where, port):
    """Whether a connection from the student's room succeeds within three seconds."""
    return "reached" in student.python(TRY.format(where, port))


def test_a_page_of_the_students_own_opens_and_only_the_student_may_enter_the_home(students):
    for student in students:
        page = student.home / "my-course/notebooks/00-start-here.ipynb"
        assert page.stat().st_uid == student.user.pw_uid
        for folder in (Path(student.user.pw_dir), student.folder):
            assert folder.stat().st_mode & 0o777 == 0o700
            assert folder.stat().st_uid == student.user.pw_uid
        large = {"engine-root", "registry", "wheels", "cli-plugins"}
        assert not large & {each.name for each in student.home.iterdir()}
        # A container's web server is another user, and docker cp keeps a file's mode.
        assert student.shell("umask").strip() == "0022"


def test_the_same_port_serves_each_student_and_no_other(first, second):
    for student in (first, second):
        student.shell(WEB.format("8080:80"))
        wait.until(
            "the page",
            lambda who=student: "mine" in who.shell("curl --silent 127.0.0.1:8080"),
            timeout=PATIENCE,
        )
    if first.hub.engine == "embedded":  # a machine publishes on the room's loopback only
        assert reaches(first, address(first), 8080)
    second.shell("docker rm --force web")
    assert not reaches(second, "127.0.0.1", 8080)
    assert not reaches(second, address(first), 8080)
    # Through JupyterLab, the way in which a browser sees it.
    assert first.get("/proxy/8080/").text == "mine\n"
    assert second.get("/proxy/8080/", of=first).status_code == 403
    first.shell("docker rm --force web")


def test_another_students_registry_server_and_kernels_cannot_be_reached(first, second):
    there = address(first)
    registry = int((first.home / "registry-port").read_text())
    assert reaches(first, "127.0.0.1", registry)
    for where in (there, "127.0.0.1"):
        assert not reaches(second, where, registry)
    assert reaches(first, there, 8888)
    assert not reaches(second, there, 8888)
    transport, path, port = first.python(
        "from ipykernel.connect import get_connection_info as info; "
        "print(*(info(unpack=True)[key] for key in ('transport', 'ip', 'shell_port')))"
    ).split()
    assert transport == "ipc"
    assert first.shell(f"ls -l {path}-{port}").startswith("s")
    assert "cannot access" in second.shell(f"ls -l {path}-{port}")
    assert first.get("/api/kernels").ok
    assert second.get("/api/kernels", of=first).status_code == 403


def test_another_students_files_and_sockets_cannot_be_opened(first, second):
    home = first.user.pw_dir
    first.shell(f"echo secret > {home}/note; echo secret > /tmp/note; chmod 666 /tmp/note")
    assert first.shell(f"cat {home}/note /tmp/note").split() == ["secret", "secret"]
    said = second.shell(f"cat {home}/note /tmp/note")
    assert "secret" not in said
    assert "Permission denied" in said
    assert "No such file" in said
    front_door = first.shell("ls /tmp/dockyard-*/docker.sock").strip()
    assert front_door.endswith("docker.sock")
    assert "No such file" in second.shell(f"ls {front_door}")


def test_what_all_share_cannot_be_changed(second):
    store = second.shell("echo $DOCKYARD_STORE").strip()
    for folder in (store, second.hub.course, "/etc"):
        assert "cannot touch" in second.shell(f"touch {folder}/mine")


def test_another_students_processes_and_shared_memory_are_not_seen(first, second):
    first.shell("nohup sleep 123456 > /dev/null 2>&1 & echo secret > /dev/shm/note; ipcmk -M 4096")
    assert "123456" in first.shell("cat /proc/*/cmdline | tr '\\0' ' '")
    assert "123456" not in second.shell("cat /proc/*/cmdline | tr '\\0' ' '")
    sleeping = next(each for each in first.processes() if each.name() == "sleep")
    assert "No such process" in second.shell(f"bash -c 'kill {sleeping.pid}'")
    assert first.shell("cat /dev/shm/note").strip() == "secret"
    assert "No such file" in second.shell("cat /dev/shm/note")
    assert str(first.account) in first.shell("ipcs -m")
    assert str(first.account) not in second.shell("ipcs -m")


def test_a_room_reaches_the_hub_and_no_other_port_of_the_server(second):
    network = second.hub.network
    with socket.socket() as listening:
        listening.bind(("0.0.0.0", 0))
        listening.listen()
        port = listening.getsockname()[1]
        socket.create_connection((network.gateway, port), 3).close()
        assert reaches(second, network.gateway, network.hub_port)
        assert not reaches(second, network.gateway, port)
        assert not reaches(second, network.gateway, second.hub.port)


CLASSROOM = "/services/classroom/"


@pytest.fixture(scope="module")
def teacher(students):
    """The hub's admin, who has no server, at the page that shows who is where."""
    found = Student(students[0].hub, TEACHER)
    page = found.sign_up(then=CLASSROOM)
    assert "<h1>Who is where</h1>" in page.text, page.text
    return found


def seen(teacher, page=""):
    found = teacher.session.get(teacher.hub.url + CLASSROOM + page, timeout=PATIENCE)
    assert found.ok, found.text
    return found.text


def test_the_teacher_sees_a_student_who_agrees_until_that_is_taken_back(teacher, first, second):
    first.python("%load_ext dockyard")
    assert "Nothing is shared now." in first.python("%share")
    assert "Nobody has agreed" in seen(teacher)
    assert "since" in first.python("%share yes")
    assert first.get("/dockyard/classroom").json()["agreed"]
    # The course asks for a lab's images, and the student's engine may still be filling its store.
    assert "Ready" in first.python("%lesson 03-containers")
    first.python("%help")
    page = seen(teacher)
    assert first.name in page
    assert "03-containers, freeze</li>" in page
    assert second.name not in page
    assert first.name in seen(teacher, "grades/nbgrader")
    assert "removed" in first.python("%share no")
    assert first.name not in seen(teacher)
    first.python("%tidy")


def test_only_the_teacher_may_open_the_page(teacher, first, second):
    for page in ("", "hint", "grades/plain"):
        url = second.hub.url + CLASSROOM + page
        assert second.session.get(url, timeout=PATIENCE).status_code == 403
        assert "Who is where" not in requests.get(url, timeout=PATIENCE).text
    # From within a room, with the token of the student's server, too.
    asked = (
        "import os, requests; at = os.environ['DOCKYARD_CLASSROOM']; "
        "headers = {'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']}; "
        "print(requests.get(at, headers=headers, allow_redirects=False).status_code)"
    )
    assert first.python(asked).strip() in ("302", "403")


def test_a_hint_to_all_reaches_students_who_share_nothing(teacher, second):
    form = seen(teacher, "hint")
    token = re.search(r'name="_xsrf" value="([^"]+)"', form)[1]
    url = teacher.hub.url + CLASSROOM + "hint"
    refused = teacher.session.post(url, data={"text": "No."}, timeout=PATIENCE)
    assert refused.status_code == 403
    said = teacher.session.post(
        url, data={"text": "Look at <port> 80.", "_xsrf": token}, timeout=PATIENCE
    )
    assert said.ok, said.text
    assert "&lt;port&gt;" in said.text
    wait.until(
        "the hint",
        lambda: second.get("/dockyard/classroom").json()["hint"] == "Look at <port> 80.",
        timeout=PATIENCE,
    )


SEND = (
    "import os, requests; at = os.environ['DOCKYARD_CLASSROOM'] + 'evidence'; "
    "own = {{'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']}}; "
    "print(requests.{}.status_code)"
)


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("put(at, data=b'{}')", 403),
        ("put(at, data=b'{}', headers={'Authorization': 'token 1234'})", 403),
        ("put(at, data=b'{}', headers=own)", 400),
        ("put(at, data=b'[' * 90_000, headers=own)", 400),
        ("get(at, headers=own)", 405),
    ],
)
def test_the_service_takes_nothing_but_evidence_from_a_student(teacher, first, call, status):
    assert first.python(SEND.format(call)).strip() == str(status)
    assert first.name not in seen(teacher)


def test_a_message_without_end_is_cut_off(teacher, first):
    call = "put(at, data=b'1' * 300_000, headers=own)"
    said = first.python(SEND.format(call))
    # The service answers, or is gone before the student's server has sent all.
    assert "200" not in said
    assert re.search(r"400|413|Connection\w*Error", said)
    assert first.name not in seen(teacher)


def test_a_room_has_the_memory_that_it_was_given(first):
    folders = [
        folder / rooms.PARENT / first.account
        for folder in (rooms.CGROUPS, rooms.CGROUPS / "memory")
    ]
    found = [folder for folder in folders if folder.is_dir()]
    if not found:
        pytest.skip("the cgroups of this computer cannot be changed")
    limit = next(
        (found[0] / name).read_text()
        for name in ("memory.max", "memory.limit_in_bytes")
        if (found[0] / name).exists()
    )
    assert int(limit) == 2500 * 2**20
    within = {int(word) for word in (found[0] / "cgroup.procs").read_text().split()}
    assert {each.pid for each in first.processes()} <= within


@pytest.mark.skipif(DISK == "0", reason="no loop devices here")
def test_a_student_who_fills_the_disk_fills_nobody_elses(first, second):
    said = first.shell("dd if=/dev/zero of=$HOME/full bs=1M 2>&1; df --output=size -B1G $HOME")
    assert "No space left on device" in said
    assert said.split()[-1] == "4"
    run = "docker run --rm busybox echo ran"
    assert "ran" in second.shell(f"head -c 10000000 /dev/zero > ~/mine && {run}")
    # What is removed is free again, outside, too.
    disk = first.hub.folder / "disks" / f"{first.account}.ext4"
    before = disk.stat().st_blocks
    first.shell("rm ~/full; sync")
    wait.until("the room", lambda: disk.stat().st_blocks < before / 2, timeout=PATIENCE)
    assert "ran" in first.shell(run)


@pytest.mark.skipif(DISK == "0", reason="no loop devices here")
def test_a_student_whose_room_cannot_open_reads_so_and_comes_in_later(first):
    hub = first.hub
    late = Student(hub, "late")
    late.sign_up()
    disk = hub.folder / "disks" / f"{late.account}.ext4"
    disk.write_bytes(bytes(2**20))  # no file system
    late.session.get(f"{hub.url}/hub/spawn", timeout=PATIENCE)
    pending = f"{hub.url}/hub/spawn-pending/{late.name}"
    wait.until(
        "the reason",
        lambda: "Your room has closed again" in late.session.get(pending, timeout=PATIENCE).text,
        timeout=PATIENCE,
    )
    disk.unlink()
    late.open_server()
    late.stop_server()


PULL = """
cd && rm -rf extra mine && exec 2>&1 && set -e
git init --quiet --initial-branch=main extra
save() { git -C extra add . && git -C extra -c user.name=t -c user.email=t@t commit -qm change; }
printf 'question\nanswer:\n' > extra/page.md; save
gitpuller "file://$PWD/extra" main mine
printf 'question\nanswer: my own\n' > mine/page.md; echo mine > mine/notes.md
printf 'question\nanswer: 42\n' > extra/page.md
echo theirs > extra/notes.md; echo new > extra/new.md; save
gitpuller "file://$PWD/extra" main mine
echo ===; cat mine/page.md mine/new.md mine/notes*
"""


def test_an_update_by_nbgitpuller_keeps_what_the_student_has_changed(first):
    said = first.shell(PULL)
    kept = said.rpartition("===")[2].split("\n")
    assert {"question", "answer: my own", "new", "mine", "theirs"} <= set(kept), said


@pytest.mark.classroom
def test_all_work_through_the_first_lessons_and_a_lab_at_once(students):
    with ThreadPoolExecutor(len(students)) as pool:
        for page in FIRST_PAGES[students[0].hub.engine]:
            done = list(pool.map(lambda student, page=page: student.work_through(page), students))
            assert all(found == of > 0 for found, of in done), (page, done)


def test_kernels_and_containers_outlive_a_hub_that_is_killed(students):
    for student in students:
        student.python("kept = 'still here'")
        student.shell("docker run --detach --name kept busybox sleep 3600")
    hub = students[0].hub
    hub.kill()
    assert students[0].python("print(kept)").strip() == "still here"
    hub.start()
    for student in students:
        assert student.get("/api/status").ok
        assert student.python("print(kept)").strip() == "still here"
        assert "kept" in student.shell("docker ps --format '{{.Names}}'")
        student.shell("docker rm --force kept")


def test_a_stopped_server_leaves_no_process_and_can_be_started_again(first, second):
    programs = {each.name() for each in first.processes()} | {
        Path(word).name for each in first.processes() for word in words(each)
    }
    daemon = "dockerd" if first.hub.engine == "embedded" else "machine.sock"
    assert {daemon, "docker-registry"} <= programs
    first.stop_server()
    assert [each.name() for each in first.processes()] == []
    assert not list(rooms.CGROUPS.glob(f"**/{first.account}"))
    assert second.get("/api/status").ok
    fresh = Student(first.hub, first.name)
    fresh.session = first.session
    fresh.open_server()
    fresh.wait_for_answer()


def words(process):
    with suppress(psutil.Error):
        return process.cmdline()
    return []
