"""The order of the tables, and what a fingerprint depends on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.bronze.manifest import BronzeColumn, BronzeFile, CursorRange, Manifest, ReadFrom
from midnight.bronze_to_silver.table_order import (
    Fingerprint,
    check_chain,
    fingerprint,
    group_by_references,
    increments_since,
    is_judged_row_by_row,
    referenced_tables,
)
from midnight.configuration.tables import Table
from midnight.errors import BronzeError

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
        ({}, {"batch_id": "2", "run_id": "x", "sealed_at": NOW.replace(year=2027)}, {}, True),
        ({}, {"sha256": "b"}, {}, False),
        ({"null_values": ["NA"]}, {}, {}, False),
        ({}, {}, {"parent": "2:k:r:c"}, False),
    ],
)
def test_the_fingerprint_is_of_rules_files_and_parents_and_of_nothing_else(other_table, other_manifest, parents, same):
    one = fingerprint(table("t"), [(table("t"), (manifest(),))], {})
    changed = table("t", **other_table)
    two = fingerprint(changed, [(changed, (manifest(**other_manifest),))], parents)
    assert (one == two) is same
    assert one.key == two.key
    assert Fingerprint.parse(str(one)) == one


def test_files_without_a_checksum_are_never_the_same():
    first, second = (fingerprint(table("t"), [(table("t"), (manifest("", batch),))], {}) for batch in ("1", "2"))
    assert first != second


def test_another_key_is_another_key():
    one, two = table("t"), table("t", key=["v"])
    assert fingerprint(one, [(one, (manifest(),))], {}).key != fingerprint(two, [(two, (manifest(),))], {}).key
    assert Fingerprint.parse("0:a:b") is None
    assert Fingerprint.parse("") is None


def increment(batch_id: str, follows: str, *, key: tuple[str, ...] = ("id",), **fields) -> Manifest:
    cursor = CursorRange(column="v", key=key, since="5", follows=follows, full_snapshot="1")
    return manifest(batch_id=batch_id, mode="incremental", cursor=cursor, **fields)


WHOLE = manifest(cursor=CursorRange(column="v", key=("id",), full_snapshot="1"))
INCREMENTS = (increment("2", "1", sha256="b"), increment("3", "2", sha256="c"))


def test_only_the_part_of_the_fingerprint_changes_that_says_what_has_to_be_judged_again():
    """Increments do while the rules and the tables that keep rows out are the same; a warning keeps none out."""
    strict, lenient = table("t", ("p",)), table("t", ("p",))
    checks = tuple(check.model_copy(update={"on_failure": "warn"}) for check in lenient.checks)
    lenient = lenient.model_copy(update={"checks": checks})
    for t, rules_differ in ((strict, True), (lenient, False)):
        one, two = (fingerprint(t, [(t, (WHOLE,))], {"p": parent}) for parent in ("2:k:r:a", "2:k:r:b"))
        assert (one.rules != two.rules, one != two) == (rules_differ, True)
        more = fingerprint(t, [(t, (WHOLE, INCREMENTS[0]))], {"p": "2:k:r:a"})
        assert (one.rules == more.rules, one != more) == (True, True)


def test_an_increment_without_a_row_changes_nothing():
    t, empty = table("t"), increment("2", "1", sha256="b", rows=0)
    assert fingerprint(t, [(t, (WHOLE,))], {}) == fingerprint(t, [(t, (WHOLE, empty))], {})
    assert fingerprint(t, [(t, (WHOLE,))], {}) != fingerprint(t, [(t, (WHOLE, INCREMENTS[0]))], {})


def test_which_tables_are_judged_row_by_row():
    assert is_judged_row_by_row(table("t", ("p",)), [table("t")])
    assert not is_judged_row_by_row(table("t", ("t",)), [table("t")])
    assert not is_judged_row_by_row(table("t"), [table("t"), table("u")])
    unique = table("t", checks=[{"rule": "unique", "columns": ["v"], "on_failure": "warn"}])
    assert not is_judged_row_by_row(unique, [unique])


def test_what_silver_lacks_of_a_chain():
    chain = (WHOLE, *INCREMENTS)
    assert [m.batch_id for m in increments_since(chain, "1")] == ["2", "3"]
    assert increments_since(chain, "3") == increments_since(chain, "0") == ()


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"key": ("v",)}, r"read with key \['v'\], while the table has \['id'\]"),
        ({"columns": (BronzeColumn(name="x", source="id", postgres_type="integer", stored_as="integer"),)}, r"\['x'\]"),
    ],
)
def test_increments_that_cannot_be_laid_over_each_other_are_refused(other, sentence):
    check_chain(table("t"), (WHOLE, *INCREMENTS))
    check_chain(table("t", key=["v"]), (WHOLE,))
    with pytest.raises(BronzeError, match=rf"^public\.t: batch 3 is an increment on batch 2, which was .*{sentence}"):
        check_chain(table("t"), (WHOLE, increment("2", "1", **other), INCREMENTS[1]))
