"""The catalogue of old servers, which the tests have no binaries of: PostgreSQL 10 and 11."""

from __future__ import annotations

import re

import pytest

from midnight.postgres_to_bronze import catalogue_queries
from midnight.scaffold import survey_queries

# column of the catalogue -> version that it came with
NEWER = {"attgenerated": 12, "indnkeyatts": 11, "attmissingval": 11, "conenforced": 18, "prokind": 11}


@pytest.mark.parametrize("queries", [catalogue_queries, survey_queries])
def test_no_query_needs_a_column_that_postgresql_10_lacks(queries):
    texts = {name: text for name, text in vars(queries).items() if name.isupper()}
    assert texts
    found = [(n, c) for n, text in texts.items() for c in NEWER if re.search(rf"(?<!')\b{c}\b(?!')", text)]
    assert found == []
