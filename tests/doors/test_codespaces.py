"""``.devcontainer`` as Codespaces and VS Code read it.

The schema is the development container specification's (schemas/LICENSE says where it is from). It
allows no other properties. Its counterpart for Codespaces adds only ``customizations.codespaces``.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dockyard.core import paths

FILE = paths.CHECKOUT / ".devcontainer" / "devcontainer.json"
SCHEMA = Path(__file__).parent / "schemas" / "devContainer.base.schema.json"

# The rules of the feature docker-in-docker 4.0.0, which no schema has: options in
# src/docker-in-docker/devcontainer-feature.json and the refusals in install.sh of
# https://github.com/devcontainers/features, commit 765e8ebd8f8012fb740cd7b41483a745bcedd212.
FEATURE = "ghcr.io/devcontainers/features/docker-in-docker"
OPTIONS = {
    "version": str, "moby": bool, "mobyBuildxVersion": str, "dockerDashComposeVersion": str,
    "azureDnsAutoDetection": bool, "dockerDefaultAddressPool": str, "installDockerBuildx": bool,
    "installDockerComposeSwitch": bool, "disableIp6tables": bool, "iptablesSwitchAtRuntime": bool,
}  # fmt: skip
WITHOUT_MOBY = ("trixie", "resolute")
WITH_DOCKER_CE = (
    "trixie", "bookworm", "buster", "bullseye", "bionic", "focal", "hirsute", "impish", "jammy",
    "noble", "resolute",
)  # fmt: skip


def read():
    """The file, which may have comments (JSONC)."""
    return json.loads(re.sub(r"^\s*//.*$", "", FILE.read_text(), flags=re.MULTILINE))


def check(document, tmp_path):
    file = tmp_path / "devcontainer.json"
    file.write_text(json.dumps(document))
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--schemafile", SCHEMA, file],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_file_has_the_form_of_the_specification(tmp_path):
    done = check(read(), tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("change", [{"postCreateCommands": "true"}, {"forwardPorts": ["no port"]}])
def test_a_mistake_in_the_file_would_be_found(tmp_path, change):
    assert check(read() | change, tmp_path).returncode == 1


def test_the_base_image_names_its_distribution():
    """A tag without it moves on with Debian, and then the feature may refuse."""
    name = re.fullmatch(
        r"mcr\.microsoft\.com/devcontainers/[a-z-]+:[\d.]+-([a-z]+)", read()["image"]
    )
    assert name
    assert name[1] in WITH_DOCKER_CE


def test_the_docker_feature_gets_options_that_it_has_and_a_system_that_it_supports():
    (options,) = [
        options for name, options in read()["features"].items() if name.startswith(f"{FEATURE}:")
    ]
    (version,) = [name.rpartition(":")[2] for name in read()["features"] if FEATURE in name]
    assert version.split(".")[0] == "4"  # the version whose rules are above
    assert options.keys() <= OPTIONS.keys()
    for name, value in options.items():
        assert isinstance(value, OPTIONS[name]), name
    codename = read()["image"].rpartition("-")[2]
    assert not (options.get("moby", True) and codename in WITHOUT_MOBY)


def test_every_command_is_one_of_the_course_or_installs_its_lock():
    commands = [value for name, value in read().items() if name.endswith("Command")]
    assert commands
    for command in commands:
        for part in re.split(r"\s*&&\s*", command):
            assert (
                re.match(r"(nohup )?python3 -m dockyard[. ]", part) or "requirements.txt" in part
            ), part
