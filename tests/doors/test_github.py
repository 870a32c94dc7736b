"""The workflows and issue forms, beyond the form that tests/test_project.py checks.

No workflow has run on GitHub yet. actionlint runs there, in the job ``lint``.
"""

import re
import subprocess

import pytest
import yaml

from dockyard.core import paths

GITHUB = paths.CHECKOUT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
RUNNERS = {"ubuntu-24.04", "ubuntu-24.04-arm"}


def read(file):
    found = yaml.safe_load(file.read_text())
    found["on"] = found.pop(True)  # YAML 1.1 reads "on" as true
    return found


def jobs(name):
    return read(GITHUB / "workflows" / name)["jobs"]


def script(job):
    return "\n".join(step.get("run", "") for step in job["steps"])


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_action_is_named_by_its_commit(file):
    """A tag can be moved to other code. Dependabot raises commit and comment together."""
    uses = re.findall(r"uses: (.*)", file.read_text())
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_may_only_read_unless_a_job_says_why(file):
    assert read(file)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_step_is_valid_shell(file):
    for name, job in read(file)["jobs"].items():
        for step in job["steps"]:
            if "run" in step:
                # Expressions are replaced before the shell sees them.
                text = re.sub(r"\$\{\{.*?\}\}", "word", step["run"])
                done = subprocess.run(["bash", "-n"], input=text, text=True, check=False)
                assert done.returncode == 0, name


def test_a_change_is_tested_on_both_processors_and_every_week_on_all_engines():
    found = jobs("test.yml")
    assert {"lint", "unit", "course", "engines"} <= found.keys()
    course = {each["runner"] for each in found["course"]["strategy"]["matrix"]["include"]}
    assert course == RUNNERS
    engines = found["engines"]["strategy"]["matrix"]
    assert "all" in engines["engine"]
    assert set(engines["runner"]) == RUNNERS
    assert "cron" in read(GITHUB / "workflows" / "test.yml")["on"]["schedule"][0]
    assert "schedule" in found["engines"]["if"]


def test_lint_runs_what_contributors_run():
    hooks = yaml.safe_load((paths.CHECKOUT / ".pre-commit-config.yaml").read_text())["repos"]
    commands = script(jobs("test.yml")["lint"])
    for hook in (hook for repository in hooks for hook in repository["hooks"]):
        assert hook["entry"].removeprefix(".venv/bin/") in commands.replace(
            " --output-format github", ""
        )


def test_the_site_is_built_for_every_change_and_published_from_main_only():
    build, publish = jobs("pages.yml")["build"], jobs("pages.yml")["publish"]
    assert "python -m dockyard.authoring.site" in script(build)
    (uploaded,) = [
        step["with"]["path"] for step in build["steps"] if "upload" in step.get("uses", "")
    ]
    assert uploaded == "build/site"  # where that command writes by default
    assert publish["needs"] == "build"
    assert publish["if"] == "github.ref == 'refs/heads/main'"


def test_every_form_has_a_title_of_its_own_and_ids_for_prefilled_links():
    files = set((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"}
    forms = [yaml.safe_load(file.read_text()) for file in files]
    assert {form["name"] for form in forms} == {
        "A cell says something else",
        "A launch fails",
        "A new lesson",
        "Something is wrong on a page",
    }
    for form in forms:
        # A field of the kind `markdown` only shows text.
        assert all("id" in field for field in form["body"] if field["type"] != "markdown")
