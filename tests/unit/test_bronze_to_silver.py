"""The order of the tables, and what a fingerprint depends on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.bronze_to_silver import Fingerprint, fingerprint, group_by_references, referenced_tables
from midnight.manifest import BronzeColumn, BronzeFile, Manifest, ReadFrom
from midnight.tables import Table

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def table(name: str, references: tuple[str, ...] = (), **fields) -> Table:
    checks = [
        {"rule": "foreign_key", "name": f"to_{other}_{i}", "columns": ["id"], "table": other, "references": ["id"]}
        for i, other in enumerate(references)
    ]
    columns = [{"name": "id", "type": "integer"}, {"name": "v", "type": "text"}]
    base = {"schema": "public", "table": name, "silver": name, "key": ["id"], "columns": columns, "checks": checks}
    return Table.model_validate({**base, **fields})


def manifest(sha256: str = "a", batch_id: str = "1", **fields) -> Manifest:
    column = BronzeColumn(name="id", source="id", postgres_type="integer", stored_as="integer")
    base = {
        "source": "s",
        "schema_name": "public",
        "table": "t",
        "batch_id": batch_id,
        "columns": (column,),
        "rows": 1,
        "files": (BronzeFile(name="part-00000.parquet", rows=1, bytes=1, sha256=sha256),),
        "read_from": ReadFrom(server="1", server_version="18", database="d"),
        "written_by": "operator",
        "run_id": batch_id,
        "started_at": NOW,
        "sealed_at": NOW,
    }
    return Manifest.model_validate({**base, **fields})


def test_tables_come_after_those_that_they_refer_to():
    tables = [
        table("flights", ("airlines", "planes")),
        table("planes", ("makers",)),
        table("airlines"),
        table("makers"),
    ]
    assert [[t.silver for t in group] for group in group_by_references(tables)] == [
        ["airlines"], ["makers"], ["planes"], ["flights"],
    ]  # fmt: skip


def test_a_circle_is_one_group_and_a_table_that_is_not_given_is_left_out():
    tables = [table("a", ("b",)), table("b", ("c",)), table("c", ("a", "elsewhere")), table("d", ("d", "b"))]
    assert [[t.silver for t in group] for group in group_by_references(tables)] == [["a", "b", "c"], ["d"]]


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
def test_every_table_once_and_never_before_what_it_refers_to(edges):
    names = [f"t{i}" for i in range(len(edges))]
    tables = [table(n, tuple(dict.fromkeys(f"t{e}" for e in out))) for n, out in zip(names, edges, strict=True)]
    groups = [[t.silver for t in group] for group in group_by_references(tables)]
    assert sorted(name for group in groups for name in group) == sorted(names)
    place = {name: i for i, group in enumerate(groups) for name in group}
    assert all(place[r] <= place[t.silver] for t in tables for r in referenced_tables(t) if r in place)


@pytest.mark.parametrize(
    ("other_table", "other_manifest", "parents", "same"),
    [
        ({}, {"batch_id": "2", "run_id": "x", "sealed_at": NOW.replace(year=2027)}, (), True),
        ({}, {"sha256": "b"}, (), False),
        ({"null_text": ["NA"]}, {}, (), False),
        ({}, {}, ("parent",), False),
    ],
)
def test_the_fingerprint_is_of_rules_files_and_parents_and_of_nothing_else(other_table, other_manifest, parents, same):
    one = fingerprint(table("t"), [(table("t"), manifest())], [])
    changed = table("t", **other_table)
    two = fingerprint(changed, [(changed, manifest(**other_manifest))], parents)
    assert (one == two) is same
    assert one.key == two.key
    assert Fingerprint.parse(str(one)) == one


def test_files_without_a_checksum_are_never_the_same():
    first, second = (fingerprint(table("t"), [(table("t"), manifest("", batch))], []) for batch in ("1", "2"))
    assert first != second


def test_another_key_is_another_key():
    one, two = table("t"), table("t", key=["v"])
    assert fingerprint(one, [(one, manifest())], []).key != fingerprint(two, [(two, manifest())], []).key
    assert Fingerprint.parse("0:a:b") is None
    assert Fingerprint.parse("") is None
