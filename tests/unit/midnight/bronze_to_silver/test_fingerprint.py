"""What the fingerprint of a silver table depends on."""

from __future__ import annotations

import pytest

from midnight.bronze.manifest import BronzeFile, KeyList, Manifest, ReadFrom
from midnight.bronze_to_silver.fingerprint import Fingerprint, fingerprint
from midnight.configuration.tables import Table
from tests.support.batch_chains import FULL_SNAPSHOT, INCREMENTS, SEALED_AT, increment, manifest, table


@pytest.mark.parametrize(
    ("other_table", "other_manifest", "referenced", "same"),
    [
        ({}, {"batch_id": "2", "run_id": "x", "sealed_at": SEALED_AT.replace(year=2027)}, {}, True),
        ({}, {"sha256": "b"}, {}, False),
        ({"null_values": ["NA"]}, {}, {}, False),
        ({}, {}, {"other": "2:k:r:c"}, False),
    ],
)
def test_the_fingerprint_is_of_rules_files_and_references_alone(other_table, other_manifest, referenced, same):
    one = fingerprint(table("t"), [(table("t"), (manifest(),))], {})
    changed = table("t", **other_table)
    two = fingerprint(changed, [(changed, (manifest(**other_manifest),))], referenced)
    assert (one == two) is same
    assert one.key == two.key
    assert Fingerprint.parse(str(one)) == one


def test_what_only_people_read_changes_no_fingerprint():
    """Editing a description, an owner or a link costs no recomputation, whichever kind of check it is on."""

    def of(text: str, link: str) -> Fingerprint:
        documentation = {"description": text, "owner": text, "link": link}
        checks = [
            {"rule": "not_null", "columns": ["v"]},
            {"rule": "unique", "columns": ["v"]},
            {"rule": "accepted_values", "column": "v", "values": ["a"]},
            {"rule": "range", "column": "v", "min": "a"},
            {"rule": "pattern", "column": "v", "regex": "a"},
            {"rule": "foreign_key", "columns": ["v"], "table": "p", "references": ["id"]},
            {"rule": "expression", "name": "e", "sql": "v = 'a'"},
        ]
        columns = [{"name": name, "type": "text", "description": text} for name in ("id", "v")]
        fields = {"columns": columns, "checks": [check | documentation for check in checks], "description": text}
        t = Table.model_validate(table("t").model_dump(by_alias=True) | fields)
        return fingerprint(t, [(t, (manifest(),))], {"p": "2:k:r:a"})

    assert of("", "") == of("why this rule exists", "https://wiki.example.com")


def test_files_without_a_checksum_are_never_equal():
    first, second = (fingerprint(table("t"), [(table("t"), (manifest("", batch),))], {}) for batch in ("1", "2"))
    assert first != second


def test_another_key_gives_another_fingerprint():
    one, two = table("t"), table("t", key=["v"])
    assert fingerprint(one, [(one, (manifest(),))], {}).key != fingerprint(two, [(two, (manifest(),))], {}).key
    assert Fingerprint.parse("0:a:b") is None
    assert Fingerprint.parse("") is None


def test_only_the_part_of_the_fingerprint_changes_that_requires_a_new_validation():
    """Increments suffice while the rules and the enforced references are the same; a warning is not enforced."""
    strict, lenient = table("t", ("p",)), table("t", ("p",))
    checks = tuple(check.model_copy(update={"on_failure": "warn"}) for check in lenient.checks)
    lenient = lenient.model_copy(update={"checks": checks})
    for t, rules_differ in ((strict, True), (lenient, False)):
        one, two = (fingerprint(t, [(t, (FULL_SNAPSHOT,))], {"p": p}) for p in ("2:k:r:a", "2:k:r:b"))
        assert (one.rules != two.rules, one != two) == (rules_differ, True)
        more = fingerprint(t, [(t, (FULL_SNAPSHOT, INCREMENTS[0]))], {"p": "2:k:r:a"})
        assert (one.rules == more.rules, one != more) == (True, True)


def with_list(batch_id: str, follows: str, sha256: str, *, rows: int = 0, in_snapshot: bool = True) -> Manifest:
    """An increment with a list of keys."""
    keys = KeyList(columns=("id",), rows=1, files=(BronzeFile(name="k", rows=1, bytes=1, sha256=sha256),))
    read_from = ReadFrom(server="1", server_version="18", database="d", snapshot="s" if in_snapshot else "")
    return increment(batch_id, follows, sha256=batch_id, rows=rows, keys=keys, read_from=read_from)


@pytest.mark.parametrize("deletes", ["keys", "soft"])
@pytest.mark.parametrize("in_snapshot", [True, False])
def test_only_the_same_list_without_rows_changes_nothing(deletes, in_snapshot):
    t = table("t", mode="incremental", cursor="id", deletes=deletes)

    def content(*lists: tuple[str, int]) -> str:
        increments = [
            with_list(str(n), str(n - 1), digest, rows=rows, in_snapshot=in_snapshot)
            for n, (digest, rows) in enumerate(lists, start=2)
        ]
        return fingerprint(t, [(t, (FULL_SNAPSHOT, *increments))], {}).content

    assert content(("a", 0)) != content()
    assert content(("a", 0)) == content(("a", 0), ("a", 0))
    assert content(("a", 0)) != content(("a", 0), ("b", 0))
    assert content(("a", 0)) != content(("a", 0), ("a", 1))
    # The list of a snapshot has the keys of the rows before it, one of Data Factory's may lack them.
    assert (content(("a", 1)) == content(("a", 1), ("a", 0))) is in_snapshot
    # Between two equal lists a row was away: only its mark shows it.
    away = content(("a", 0), ("b", 0), ("a", 0))
    assert (content(("a", 0)) == away) is (deletes == "keys")


def test_an_increment_without_a_row_changes_nothing():
    t, empty = table("t"), increment("2", "1", sha256="b", rows=0)
    assert fingerprint(t, [(t, (FULL_SNAPSHOT,))], {}) == fingerprint(t, [(t, (FULL_SNAPSHOT, empty))], {})
    assert fingerprint(t, [(t, (FULL_SNAPSHOT,))], {}) != fingerprint(t, [(t, (FULL_SNAPSHOT, INCREMENTS[0]))], {})
