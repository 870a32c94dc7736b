"""What is compared of docker's plain output: what a reader looks at, and nothing else.

samples/ holds what Docker 28.5.2 printed with each image store, minutes apart.
"""

from pathlib import Path

import pytest

from dockyard.authoring.docker_output import normalise
from dockyard.authoring.output_comparison import load_rules, sanitize

SAMPLES = Path(__file__).parent / "samples"
RULES = load_rules() | {
    r"\[\w{3} \w{3} \d\d [\d:.]+ \d{4}\]|\d\d \w{3} \d{4} [\d:.]+": "<time>",  # httpd, redis
}


def sample(store):
    return (SAMPLES / f"{store}.txt").read_text()


def compared(text):
    return sanitize(text, RULES)


def test_both_image_stores_print_the_same_to_a_reader():
    assert compared(sample("containerd")).splitlines() == compared(sample("overlay2")).splitlines()


CHANGES = {
    "a container's name": ("   web\n", "   wed\n"),
    "an image's name": ("   httpd:2.4   ", "   httpd:2.5   "),
    "an image's tag": ("\napp           1 ", "\napp           2 "),
    "a published port": ("0.0.0.0:8098->80", "0.0.0.0:8099->80"),
    "a container's port": ("127.0.0.1:32768->443", "127.0.0.1:32768->444"),
    "an address": ("127.0.0.1:32768->443", "  0.0.0.0:32768->443"),
    "a state": ("Exited (0) 1 second ago   ", "Exited (1) 1 second ago   "),
    "another state": ("Up 2 seconds   80/tcp", "Paused         80/tcp"),
    "a command": ('"httpd-foreground" ', '"httpd-background" '),
    "a driver": ("null      local", "host      local"),
    "a missing row": ("host      host      local\n", "host      host      local\n"[:0]),
    "a step of a build": ("[base 3/4] COPY hello.py .\n", "[base 3/4] COPY hello.pi .\n"),
    "a cached step": ("#7 CACHED", "#7 DONE 0.1s"),
    "the output of a step": ("#8 0.899 compiled", "#8 0.899 complied"),
    "the name of what was built": ("naming to docker.io/library/app:1", "naming to app:2"),
    "a state of Compose": ("Container app-web-1  Started", "Container app-web-1  Error"),
    "an object of Compose": ("Volume app_logs  Removed\n", ""),
    "a log of Compose": ("store-1  | 1:M", "stare-1  | 1:M"),
    "a value of inspect": ('"ExitCode": 0', '"ExitCode": 1'),
    "an environment of inspect": ('"LANG=C.UTF-8"', '"LANG=C"'),
    "a process of top": ("httpd -DFOREGROUND", "httpd -DBACKGROUND"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_a_change_that_a_reader_would_see_makes_a_difference(old, new):
    text = sample("containerd")
    assert old in text
    assert compared(text.replace(old, new, 1)) != compared(text)


def test_an_additional_row_makes_a_difference():
    table = "NETWORK ID     NAME      DRIVER    SCOPE\n5aa8650cd00e   host      host      local\n"
    more = table + "6bb8650cd00e   mine      bridge    local\n"
    assert normalise(more) != normalise(table)


def test_a_second_table_of_the_same_columns_is_a_table_of_its_own():
    wide = "NAMES   STATUS                    PORTS\nold     Exited (0) 9 seconds ago  80/tcp\n"
    table = "NAMES   STATUS        PORTS\nbook    Up 9 seconds  80/tcp\n"
    later = "NAMES   STATUS         PORTS\nbook    Up 10 seconds  80/tcp\n"
    assert compared(wide + table) == compared(wide + later)


def test_a_failed_step_is_compared_with_its_message():
    build = (
        "#5 [2/2] RUN false\n#5 0.213 oops\n"
        '#5 ERROR: process "/bin/sh -c false" did not complete successfully: exit code: 1\n'
    )
    assert normalise(build) == (
        "step [2/2] RUN false\n    oops\n"
        '    ERROR: process "/bin/sh -c false" did not complete successfully: exit code: 1\n'
    )
    assert normalise(build.replace("code: 1", "code: 2")) != normalise(build)


FAILED = """\
#7 [2/2] RUN python -m pytest
#7 {0} collected 1 item
#7 {1} {2}
#7 ERROR: process "/bin/sh -c python -m pytest" did not complete successfully: exit code: 1
------
 > [2/2] RUN python -m pytest:
{3}{1} {2}
------
"""


def test_what_a_failed_step_printed_is_compared_once_and_without_its_clock():
    first = compared(FAILED.format("0.312", "1.755", "1 failed", ""))
    assert first == compared(
        FAILED.format("3.001", "12.25", "1 failed", "3.001 collected 1 item\n")
    )
    assert first != compared(FAILED.format("0.312", "1.755", "2 failed", ""))


SLOW = """\
#1 [internal] load build definition from Dockerfile
#1 WARN: JSONArgsRecommended: JSON arguments recommended for CMD (line 7)
#1 DONE 0.0s

#2 [internal] load build context
#2 CANCELED

#3 [2/2] COPY page /
#3 ERROR: failed: ref s0onf41qoau8icda0vazhfuhf::wkhwj4neqj1z06smm4gi6p6es: no
#4 exporting to image
#4 naming to docker.io/library/app:1
#4 naming to docker.io/library/app:1 0.1s done
#4 DONE 0.3s"""

QUICK = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s

#2 [internal] load build context
#2 DONE 0.1s

#3 [2/2] COPY page /
#3 ERROR: failed: ref s0onf41qoau8icda0vazhfuhf::8id11whidllejakzp1y9lnnyx: no
#4 exporting to image
#4 naming to docker.io/library/app:1 done
#4 DONE 0.1s"""


def test_how_busy_a_computer_was_during_a_build_makes_no_difference():
    assert compared(SLOW) == compared(QUICK)


def test_names_and_tags_of_docker_29_count_as_those_of_older_clients():
    old = (
        "REPOSITORY   TAG       IMAGE ID       CREATED         SIZE\n"
        "app          1         d630afbfa352   5 seconds ago   223MB\n"
    )
    new = (
        "IMAGE        ID             DISK USAGE   CONTENT SIZE   EXTRA\n"
        "app:1        d630afbfa352        223MB         55.8MB        \n"
    )
    assert normalise(old) == normalise(new)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello\n\nworld\n",
        "[\n",
        "[]\n",
        "[\n  1,\n  2\n]\n",
        "NAME\nweb\n",
        "A table   of mine\n1         2\n",
        "Error response from daemon: No such container: web\n[exit code 1]\n",
        "#!/bin/sh\n# 1 comment\n",
        " Container, please\n",
    ],
)
def test_other_text_is_unchanged(text):
    assert normalise(text) == text


def test_what_follows_a_table_does_not_belong_to_it():
    text = "DRIVER    VOLUME NAME\nlocal     notes\n[exit code 1]\n\nlocal     other\n"
    assert normalise(text).splitlines()[2:] == ["[exit code 1]", "", "local     other"]


def test_removing_an_image_is_the_same_in_both_stores():
    containerd = f"Untagged: nginx:latest\nDeleted: sha256:{'1' * 64}"
    overlay2 = (
        f"Untagged: nginx:latest\nUntagged: nginx@sha256:{'2' * 64}\n"
        f"Deleted: sha256:{'3' * 64}\nDeleted: sha256:{'4' * 64}"
    )
    assert normalise(containerd) == normalise(overlay2) == "Untagged: nginx:latest\nDeleted"
    assert normalise("Untagged: nginx:latest") != normalise(containerd)


def test_changes_of_a_container_may_come_in_any_order():
    changes = ["C /app", "A /app/data", "A /app/data/entries.db", "A /app/cache"]
    assert normalise("\n".join(changes)) == normalise("\n".join(reversed(changes)))
    assert normalise("\n".join(changes)) != normalise("\n".join(changes[1:]))


MISSING = """\
#6 [2/2] COPY /etc/passwd /
#6 ERROR: failed to calculate checksum of ref s0on::9f5t: "/etc/passwd": not found
------
 > [2/2] COPY /etc/passwd /:
------
Dockerfile.outside:2
"""


def test_a_missing_file_counts_the_same_whether_the_step_or_only_the_end_names_it():
    head, *_, last = MISSING.splitlines()
    assert normalise(MISSING) == normalise(f"{head}\n#6 CANCELED\n{last}\n")


TASKS = """\
ID             NAME        IMAGE     NODE    DESIRED STATE   CURRENT STATE                ERROR
57bzq1wzov6h   web.1       nginx:1   east    Running         Running 6 seconds ago
jc46ze2mnokf   web.2       nginx:1   south   Running         Running about a minute ago
a6qi2gtrv83v    \\_ web.2   nginx:1   north   Shutdown        Running 9 seconds ago
"""


def test_which_task_of_a_service_runs_on_which_node_makes_no_difference():
    swapped = TASKS.replace("east ", "@", 1).replace("south", "east ", 1).replace("@", "south", 1)
    assert swapped != TASKS
    assert compared(swapped) == compared(TASKS)
    assert compared(TASKS.replace("about a minute", "5 seconds")) == compared(TASKS)
    assert compared(TASKS.replace("east ", "south", 1)) != compared(TASKS)
    assert compared(TASKS.replace("Shutdown", "Running ")) != compared(TASKS)


def test_the_objects_of_a_stack_are_created_in_any_order():
    lines = ["Creating network app_default", "Creating service app_web", "Creating service app_db"]
    one, other = "\n".join(lines), "\n".join(reversed(lines))
    assert compared(one) == compared(other)
    assert compared(one) != compared("\n".join(lines[:2]))
    assert compared("Updating service app_web (id: 57bzq1wzov6h)") == "Updating service app_web"


def test_a_step_of_an_image_has_an_id_where_another_image_ends_with_it():
    table = (
        "IMAGE          CREATED         CREATED BY            SIZE      COMMENT\n"
        "b76597b7fd6c   1 second ago    python app.py         0B        crashed\n"
        "{}   2 weeks ago     CMD ['bash']          0B        \n"
    )
    assert compared(table.format("<missing>   ")) == compared(table.format("0123456789ab"))
    assert compared(table.format("no id       ")) != compared(table.format("0123456789ab"))


def test_whether_the_build_cache_is_in_use_still_makes_no_difference():
    shown = """\
TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE
Images          3         1         18.02MB   18.02MB (100%)
Build Cache     13        1         64MB      64MB
"""
    assert compared(shown.replace("13        1", "13        0")) == compared(shown)
    assert compared(shown.replace("3         1 ", "3         0 ", 1)) != compared(shown)
