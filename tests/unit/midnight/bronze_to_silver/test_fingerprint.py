"""What the fingerprint of a silver table depends on."""

from __future__ import annotations

import pytest

from midnight.bronze_to_silver.fingerprint import Fingerprint, fingerprint
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


def test_an_increment_without_a_row_changes_nothing():
    t, empty = table("t"), increment("2", "1", sha256="b", rows=0)
    assert fingerprint(t, [(t, (FULL_SNAPSHOT,))], {}) == fingerprint(t, [(t, (FULL_SNAPSHOT, empty))], {})
    assert fingerprint(t, [(t, (FULL_SNAPSHOT,))], {}) != fingerprint(t, [(t, (FULL_SNAPSHOT, INCREMENTS[0]))], {})
