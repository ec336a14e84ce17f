"""docs/schema-changes.md lists the cases that tests/integration/spark/test_schema_changes.py runs."""

from __future__ import annotations

from midnight.settings import REPOSITORY
from tests.support.schema_changes import CASES, section_of_page


def test_the_page_states_the_result_of_every_case():
    page = (REPOSITORY / "docs" / "schema-changes.md").read_text(encoding="utf-8")
    listed = page.partition("<!-- cases -->\n")[2].partition("\n<!-- /cases -->")[0].strip()
    assert listed == section_of_page()
    assert f"{len(CASES)} cases" in page


def test_each_case_is_there_once():
    assert len({case.name for case in CASES}) == len({case.change for case in CASES}) == len(CASES)
