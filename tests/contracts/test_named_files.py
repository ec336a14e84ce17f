"""What code, comments, pages and workflows name exists: a file that is renamed is found wherever it is named."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from midnight.gold_to_serving.run_views import RUN_VIEWS
from midnight.settings import REPOSITORY

# A path from the root of the repository. Placeholders (`<name>`, `*`) stand for any name; what a shell or Python fills
# in (`$env`, `{name}`) is not checked.
_FOLDERS = r"docs|tests|plugins|spark_jobs|cli|tools|dags|include|infra|benchmarks|config|\.github|\.ci"
_PATH = re.compile(rf"(?<![\w./$}}{{<>*\\-])(?:{_FOLDERS})/[\w.*<>/-]*+(?![${{])")
# A module, in backquotes or after `python -m`.
_MODULE = re.compile(r"(?:`|python -m )((?:midnight|midnight_airflow|spark_jobs|cli|tools|benchmarks)(?:\.\w+)+)")
_DECISION = re.compile(r"docs/adr/\d{4}")
# Markdown's relative links are a contract of test_readme.py.
_LEFT_OUT = re.compile(
    r"^(LICENSE|requirements.*\.txt|\.gitignore|\.pre-commit-config\.yaml|tools/vocabulary\.py|tests/data/.*|.*package-lock\.json|.*provider_schema\.json|.*\.(tsv|png|svg|css|js)"
    r"|include/powerbi/.*|tests/contracts/test_named_files\.py|tests/unit/tools/test_docs_hooks\.py)$"
)
# Tests name files of their own instances; of the repository they name these folders only.
_NAMED_BY_TESTS = ("docs/", "tests/", "plugins/", "spark_jobs/", "tools/")
# Views of the schema `midnight`.
_TABLES = {f"midnight.{view.name}" for view in RUN_VIEWS}
# Written by people or commands that do not run in a fresh clone, or examples of a page.
_NOT_IN_A_CLONE = {
    "infra/.terraform.lock.hcl",
    "infra/<environment>.tfvars",
    "infra/dev.tfvars",
    "infra/prod.tfvars",
    "include/sql/gold/mart_origin.sql",
    "include/sql/gold/mart_origin.yml",
    "include/sql/serving/origin.sql",
}


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [path for path in listed.stdout.split("\0") if path and (REPOSITORY / path).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Path and text of each file that is checked."""
    for path in tracked_files():
        if _LEFT_OUT.match(path):
            continue
        try:
            yield path, (REPOSITORY / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def named_paths(text: str) -> set[str]:
    """Paths of the repository that a text names, without those that are computed."""
    return {match[0].rstrip(".-") for match in _PATH.finditer(text)}


def path_exists(path: str) -> bool:
    if path in _NOT_IN_A_CLONE:
        return True
    if _DECISION.fullmatch(path):
        return any(REPOSITORY.glob(f"{path}-*.md"))
    pattern = re.sub(r"<[^>]*>", "*", path).rstrip("/")
    return any(REPOSITORY.glob(pattern)) if "*" in pattern else (REPOSITORY / pattern).exists()


def module_exists(name: str) -> bool:
    """Whether a dotted name is a module, or a name that a module contains."""
    if name in _TABLES:
        return True
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        for root in (REPOSITORY, REPOSITORY / "plugins"):
            place = root.joinpath(*parts[:length])
            file = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
            if file.is_file():
                return length == len(parts) or re.search(rf"\b{parts[length]}\b", file.read_text()) is not None
            if place.is_dir():
                return length == len(parts)
    return False


def test_every_path_that_is_named_exists():
    missing = [
        f"{file} names {path}"
        for file, text in texts()
        for path in sorted(named_paths(text))
        if (not file.startswith("tests/") or path.startswith(_NAMED_BY_TESTS)) and not path_exists(path)
    ]
    assert not missing, "\n".join(missing)


def test_every_module_that_is_named_exists():
    missing = [
        f"{file} names {name}"
        for file, text in texts()
        for name in sorted({match[1] for match in _MODULE.finditer(text)})
        if not module_exists(name)
    ]
    assert not missing, "\n".join(missing)


def facts() -> list[tuple[str, str]]:
    """File and name of each row of the page's table of ten facts."""
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    section = page.partition("## Ten facts and where they live\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [\w ]+ \| `([\w./]+)` \| (.+) \|$", section, re.MULTILINE)
    return [(file, name) for file, names in rows for name in re.findall(r"`(\w+)`", names)]


def test_the_architecture_has_ten_facts():
    assert len({file for file, _ in facts()}) == 10


@pytest.mark.parametrize(("file", "name"), facts())
def test_the_facts_are_where_the_architecture_says(file, name):
    assert re.search(rf"^ *(?:def|class) {name}\b", (REPOSITORY / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see `docs/types.md`.", {"docs/types.md"}),
        ("(docs/adr/0011), then plugins/midnight/", {"docs/adr/0011", "plugins/midnight/"}),
        ("include/tables/<schema>.<table>.yml", {"include/tables/<schema>.<table>.yml"}),
        ("https://learn.example/docs/types.md and $HOME/docs/x.md", set()),
    ],
)
def test_paths_are_found_in_prose(text, expected):
    assert named_paths(text) == expected


@pytest.mark.parametrize(
    ("name", "exists"),
    [
        ("midnight.column_types", True),
        ("midnight.column_types.stored_type", True),
        ("midnight.silver_to_gold", True),
        ("midnight.column_types.no_such_name", False),
        ("midnight.no_such_module", False),
    ],
)
def test_modules_are_found(name, exists):
    assert module_exists(name) is exists


def test_a_name_that_is_not_there_is_missing():
    assert not path_exists("docs/no-such-page.md")
    assert not path_exists("docs/adr/9999")
    assert not path_exists("tests/no_such_folder/*.py")
    assert path_exists(str(Path("docs") / "adr" / "0011"))
