"""Which pieces of a command are Python's, and which are the shell's."""

import string
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.utils.text import SList

from dockyard.notebook import expansion


class Box:
    name = "web"
    short_id = "abc"


NAMES = {
    "name": "box1", "port": 8080, "cid": SList(["4f0c", "77aa"]), "box": Box(), "folder": "/my",
    "HOME": "/python", "d": {"a": "x", "}": "brace"}, "i": 3, "x": 1, "print_it": print, "a": 1,
    "b": 2, "string": string,
}  # fmt: skip
ENVIRONMENT = {"HOME": "/home/learner", "PATH": "/bin"}


def expand(command):
    return expansion.expand(command, NAMES, ENVIRONMENT)


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        ("docker run --name $name busybox", "docker run --name box1 busybox"),
        ("docker rm -f {cid[0]}", "docker rm -f 4f0c"),
        ("docker rm -f {' '.join(cid)}", "docker rm -f 4f0c 77aa"),
        ("docker rm -f {cid[-1]} {name}", "docker rm -f 77aa box1"),
        ("docker run -p {port}:80 -p {port + 1}:80", "docker run -p 8080:80 -p 8081:80"),
        ("docker run -p $port:80/tcp", "docker run -p 8080:80/tcp"),
        ('echo "{name!r} {d["a"]} {d["}"]}"', "echo \"'box1' x brace\""),
        ("echo {len(cid)} {[c[:2] for c in cid]}", "echo 2 ['4f', '77']"),
        ("docker ps -f name=$name --format '{{.ID}}'", "docker ps -f name=box1 --format '{{.ID}}'"),
        ("docker ps --filter 'name={name}'", "docker ps --filter 'name=box1'"),
        ('docker ps --filter "name=$name"', 'docker ps --filter "name=box1"'),
        ('echo "$(docker ps -q --filter name=$name)"', 'echo "$(docker ps -q --filter name=box1)"'),
        ("docker inspect $box.name $box.short_id", "docker inspect web abc"),
        ("docker save -o $name.tar $name.index", "docker save -o box1.tar box1.index"),
        ("-v $folder:$folder", "-v /my:/my"),
        ("docker run -e name=$name busybox", "docker run -e name=box1 busybox"),
        ('docker run -e "name=$name" busybox', 'docker run -e "name=box1" busybox'),
        ("for c in $name; do docker logs $c; done", "for c in box1; do docker logs $c; done"),
        ("echo $$name", "echo $name"),
        ("echo don't $name", "echo don't $name"),
        ("echo don\\'t $name", "echo don\\'t box1"),
        ("echo ok # don't\necho $name", "echo ok # don't\necho box1"),
    ],
)  # fmt: skip
def test_names_of_python_variables_are_replaced(typed, run):
    assert expand(typed).command == run


@pytest.mark.parametrize(
    "typed",
    [
        "docker ps --format '{{.Names}}'",
        'docker ps --format "table {{.Names}}\\t{{.Image}}"',
        "docker inspect --format '{{range $i, $x := .Mounts}}{{$x.Name}}{{end}}' web",
        "docker inspect --format '{{json .}}' {web}",
        "echo {{name}} ${name} ${name:-none} ${#name} \\$name \\{name\\}",
        "echo '$name' $'don\\'t $name'",
        "echo $HOME $PATH $UNSET $1 $? $! $# $@ $* $- $$ $0 $_",
        "echo $(docker ps -q) `docker ps -q` $((1 + 2))",
        "mkdir -p work/{a,b} {1..3} {x..z} {}",
        "awk '{print $1}' file; awk '{sum += $1} END {print sum}' file; awk '{n++}' file",
        "{ docker ps; docker images; }",
        "f() { echo name; }; f",
        "find . -name 'x' -exec rm {} \\; ; xargs -I{} docker rm {}",
        'curl -d \'{"name": "name", "port": 80}\' http://$HOST/',
        "docker inspect web | jq '.[0] | {name: .Name, port: .Port}'",
        "for name in red green; do echo $name; done",
        "while read -r port name; do echo $port $name; done < file",
        "name=other; echo $name",
        "name=other port=1 sh -c true $port",
        "export name=other && echo $name",
        "true && name=$(docker ps -q) && docker rm $name",
        "echo $print_it {print_it} {print} {len} $string {string} {1 + 1} {True}",
        "git show HEAD@{1}",
        "docker rm -f {cdi[0]} {name.nothing()",
    ],
)
def test_what_can_be_the_shells_is_the_shells(typed):
    assert expand(typed).command == typed


@given(st.text(st.sampled_from("${}'\"\\`()# \n.,:;=|&xy_1[]!rR") | st.characters()))
def test_a_text_without_python_names_reaches_the_shell_unchanged(typed):
    found = expansion.expand(typed, {"no_such_name_in_the_text": 1}, ENVIRONMENT)
    assert found == expansion.Expansion(typed)


@given(
    st.lists(
        st.sampled_from(
            ["$HOME", "${name}", "$(echo $UNSET)", "{{.Names}}", "'{a,b}'", "{1..3}", "$1", "$?",
             "'$name'", '"$HOME"', "\\$name", "{print $1}", "don\\'t", "x", "#", "a b"]
        )
    ).map(" ".join)
)  # fmt: skip
def test_the_shells_own_constructs_stay_beside_python_variables(typed):
    assert expand(f"{typed} $name").command in (f"{typed} box1", f"{typed} $name")
    assert expand(typed).command == typed


@given(st.text(string.ascii_letters + string.digits + " /:._-{}$\"'", max_size=30))
def test_a_value_is_inserted_as_it_is(value):
    found = expansion.expand("echo $value; echo {value}", {"value": value}, {})
    assert found.command == f"echo {value}; echo {value}"


def test_an_environment_variable_wins_and_the_difference_is_remarked():
    assert expand("echo $HOME").remarks == [
        "$HOME is the environment's variable here. Python's is {HOME}."
    ]
    same = expansion.expand("echo $PORT", {"PORT": 80}, {"PORT": "80"})
    assert same == expansion.Expansion("echo $PORT")


def test_an_expression_that_fails_is_left_as_typed_and_its_error_is_remarked():
    found = expand("docker rm -f {cid[5]} $name")
    assert found.command == "docker rm -f {cid[5]} box1"
    assert found.remarks == ["{cid[5]} is left as typed. IndexError: list index out of range"]


def test_a_list_of_lines_is_inserted_as_by_ipython_with_a_remark():
    found = expand("docker rm -f $cid")
    assert found.command == "docker rm -f ['4f0c', '77aa']"
    assert found.remarks == ["cid is a list of lines. Its first line is {cid[0]}."]


@pytest.mark.parametrize(
    "typed",
    [
        "echo '$a' \"$b\" $c",
        "echo \"it's $a\" 'it is $b' $c",
        "echo $(echo '$a' \"$(echo $b)\") $c",
        "echo \\\"$a \\' $b # $c don't",
        "echo \"`echo '$a'` $b\" $'\\'$a' $b",
    ],
)
def test_quotes_are_seen_as_bash_sees_them(typed):
    run = "".join(_marked(typed))
    shown = subprocess.run(
        ["bash", "-c", f"a=A b=B c=C; {typed}"], capture_output=True, text=True, check=True
    )
    replaced = subprocess.run(["bash", "-c", run], capture_output=True, text=True, check=True)
    assert replaced.stdout == shown.stdout


def _marked(typed):
    end = 0
    for start, name in expansion.shell_variables(typed):
        yield typed[end:start] + name.upper()
        end = start + 1 + len(name)
    yield typed[end:]
