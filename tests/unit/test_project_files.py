"""Workflows, issue forms and documents name what there is: targets of the Makefile, jobs, files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(path for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml") if path.name != "config.yml")
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILE, re.MULTILINE))
_MAKE = re.compile(r"(?:^|(?<=[\s`(]))make((?: +(?:[a-z][a-z-]*|[A-Z_]+=(?:\$\{\{[^}]*\}\}|[^\s`])*))+)", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
DOCUMENTS = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]


def jobs(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text())["jobs"]
    assert isinstance(found, dict) and found
    return found


def commands(path: Path) -> str:
    """All that a workflow runs, and the parts of a matrix, which it runs as well."""
    steps = [(job, step) for job in jobs(path).values() for step in job["steps"]]
    text = "\n".join(str(step.get("run", "")) for _, step in steps)
    parts = [part for job in jobs(path).values() for part in job.get("strategy", {}).get("matrix", {}).get("part", ())]
    return text + "".join(f"\nmake {part}" for part in parts)


def named(text: str) -> set[str]:
    """The targets that a text calls `make` with."""
    words = (word for found in _MAKE.findall(text) for word in re.sub(r"\$\{\{[^}]*\}\}", "", found).split())
    return {word for word in words if "=" not in word}


def test_the_targets_are_found() -> None:
    assert {"demo", "test-image", "release", "push-images"} <= TARGETS


def test_phony_targets_are_all_that_are_no_files() -> None:
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    assert phony and set(phony[1].replace("\\\n", " ").split()) == TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_targets_of_the_makefile(path: Path) -> None:
    found = named(commands(path))
    assert found and found <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_wait_for_jobs_and_have_an_end(path: Path) -> None:
    for job in jobs(path).values():
        needed = job.get("needs", [])
        assert {needed} if isinstance(needed, str) else set(needed) <= set(jobs(path))
        assert 0 < job["timeout-minutes"] <= 120


def test_the_workflows_run_every_suite_of_make_test() -> None:
    [recipe] = re.findall(r"\$\(foreach part,([a-z ]+),also 'test-", MAKEFILE)
    wanted = {f"test-{part}" for part in recipe.split()} | {"lint", "test-unit", "test-loopback"}
    assert wanted <= named(commands(GITHUB / "workflows" / "ci.yml"))


def test_what_is_published_waits_for_the_build() -> None:
    """An image or a wheel that cannot be installed is not to be had."""
    release = jobs(GITHUB / "workflows" / "release.yml")
    assert "make release" in str(release["build"]["steps"])
    assert all("build" in job["needs"] for name, job in release.items() if name != "build")


def test_only_the_job_that_publishes_to_an_index_may_have_its_token() -> None:
    trusted = [
        name for path in WORKFLOWS for name, job in jobs(path).items() if "id-token" in job.get("permissions", {})
    ]
    assert trusted == ["pypi"]
    assert all(yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"} for path in WORKFLOWS)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms_are_forms(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert fields and len({field["id"] for field in fields}) == len(fields)
    assert all(field["type"] in ("input", "textarea", "dropdown", "checkboxes") for field in fields)
    assert all(field["attributes"]["label"] for field in fields)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_targets_and_files_that_are_there(path: Path) -> None:
    text = path.read_text()
    code = " ".join(_CODE.findall(text))
    assert "make" not in text or named(code)
    assert named(code) <= TARGETS
    files = set(re.findall(r"`((?:tests|container|dbhandler|\.ci|\.github)/[\w./-]*)`", text))
    links = set(re.findall(r"\]\(([^)#:]+)\)", text))
    assert [name for name in sorted(files | links) if not (ROOT / name).exists()] == []
