"""The form of the pages: width, opening, navigation; the versions that one repeats, and the examples of another."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap

import pytest
import yaml

from midnight.settings import REPOSITORY
from tools.docs_hooks import on_config

DOCS = REPOSITORY / "docs"
COLUMNS = 100
# Written by tools/generated_files.py.
GENERATED = {"access.md", "commands.md", "configuration.md", "spark-sql.md", "tsql.md"}
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
WRITTEN = [page for page in PAGES if page not in GENERATED]
ROOT_PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
# An address, a row of a table that names a long path, or a document that must be one line.
UNBREAKABLE = re.compile(r"https://\S{60,}|^\|.*`[\w./]{50,}`|^AIRFLOW__SECRETS__BACKEND_KWARGS=")


def lines_of(page: str) -> list[str]:
    return (REPOSITORY / page).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("page", [*ROOT_PAGES, *(f"docs/{page}" for page in PAGES)])
def test_lines_have_at_most_100_columns(page):
    long = [line for line in lines_of(page) if len(line) > COLUMNS and not UNBREAKABLE.search(line)]
    assert long == []


@pytest.mark.parametrize("page", [page for page in WRITTEN if not page.startswith("adr/")])
def test_a_page_starts_with_what_the_reader_can_do_after_it(page):
    title, _, opening = lines_of(f"docs/{page}")[:3]
    assert title.startswith("# ")
    assert re.match(r"After (this|these|reading this) (page|pages|tutorial)\b", opening), opening


@pytest.mark.parametrize("page", [page for page in WRITTEN if page.startswith("adr/")])
def test_a_decision_has_its_number_and_the_four_parts(page):
    lines = lines_of(f"docs/{page}")
    number = int(page.removeprefix("adr/")[:4])
    assert re.match(rf"# {number}\. [A-Z]", lines[0])
    text = "\n".join(lines)
    parts = ["**Status:**", "**Context.**", "**Decision.**", "**Consequences.**"]
    assert [part for part in parts if part not in text] == []


def test_every_page_is_in_the_navigation_once():
    navigation = (REPOSITORY / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    entries = re.findall(r"^ +- ([\w/*-]+\.md)$", navigation, re.MULTILINE)
    assert sorted(on_config({"nav": entries})["nav"]) == PAGES


def test_every_page_is_reached_from_the_index():
    """Directly, or by the pages of a folder from the page of its name."""
    index = lines_of("docs/index.md")
    linked = set(re.findall(r"\]\(([\w/-]+\.md)", "\n".join(index)))
    expected = {page for page in PAGES if "/" not in page and page != "index.md"}
    assert expected - linked == set()


def test_the_requirements_name_the_locked_versions():
    page = (DOCS / "requirements.md").read_text()
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", (REPOSITORY / "requirements.txt").read_text(), re.MULTILINE))
    for title, package in (("Apache Airflow", "apache-airflow"), ("PySpark", "pyspark"), ("Sail", "pysail")):
        assert re.search(rf"^\| {title}\b.*\| {re.escape(locked[package])} \|$", page, re.MULTILINE), title
    assert f"| DuckDB (local views) | {locked['duckdb']} |" in page


def test_the_examples_of_a_model_a_view_and_a_figure_are_valid(tmp_path):
    page = (DOCS / "development-loop.md").read_text()
    blocks = re.findall(r"^ *```(?:sql|yaml)\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    query, contract, view, figures = map(textwrap.dedent, blocks)
    include = shutil.copytree(REPOSITORY / "include", tmp_path / "include")
    (include / "sql" / "gold" / "mart_origin.sql").write_text(query)
    (include / "sql" / "gold" / "mart_origin.yml").write_text(contract)
    (include / "sql" / "serving" / "origin.sql").write_text(view)
    report = yaml.safe_load((include / "report.yml").read_text())
    report["figures"] += yaml.safe_load(figures)["figures"]
    (include / "report.yml").write_text(yaml.safe_dump(report, sort_keys=False))
    done = subprocess.run(
        [sys.executable, "-m", "cli", "check"],
        cwd=REPOSITORY,
        env=os.environ | {"MIDNIGHT_CONFIG": str(include), "PYTHONPATH": "plugins"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
