"""Which batches together hold a table, and which of them silver does not have yet."""

from __future__ import annotations

import pytest

from midnight.bronze.manifest import BronzeColumn, CursorRange, Manifest
from midnight.bronze_to_silver.batch_chain import batch_chain, check_chain, complete_chains, increments_since
from midnight.errors import BronzeError
from tests.support.batch_chains import FULL_SNAPSHOT, INCREMENTS, increment, manifest, table


def full(batch_id: str) -> Manifest:
    return manifest(batch_id=batch_id, cursor=CursorRange(column="v", key=("id",), full_snapshot=batch_id))


B1, B2, B4 = full("b1"), increment("b2", "b1"), increment("b4", "b2")
B3 = increment("b3", "b2")  # sealed after b4, since an old run was cleared
B5, B6 = full("b5"), increment("b6", "b5")


def test_a_chain_starts_with_the_last_full_snapshot():
    by_id = {m.batch_id: m for m in (B1, B2, B3, B4, B5, B6)}
    assert batch_chain(B4, by_id.get) == (B1, B2, B4)
    assert batch_chain(B5, by_id.get) == (B5,)
    with pytest.raises(BronzeError, match=r"public\.t: batch b4 continues batch b2, which is not in bronze any more"):
        batch_chain(B4, {"b1": B1}.get)


def test_a_rebuild_leaves_out_increments_on_a_deleted_batch():
    assert complete_chains([B1, B2, B3, B4, B5, B6]) == [B1, B2, B3, B4, B5, B6]
    assert complete_chains([B2, B4, B5, B6]) == [B5, B6]
    assert complete_chains([]) == []
    with pytest.raises(BronzeError, match="batch b4 continues batch b2"):
        complete_chains([B1, B3, B4])


def test_the_increments_of_a_chain_that_silver_does_not_have():
    chain = (FULL_SNAPSHOT, *INCREMENTS)
    assert [m.batch_id for m in increments_since(chain, "1")] == ["2", "3"]
    assert increments_since(chain, "3") == increments_since(chain, "0") == ()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"key": ("v",)}, r"read with key \['v'\], while the table has key \['id'\]"),
        ({"columns": (BronzeColumn(name="id", source="id", postgres_type="text", stored_as="text"),)}, r"\['id'\]"),
    ],
)
def test_increments_that_cannot_be_merged_are_refused(other, message):
    check_chain(table("t"), (FULL_SNAPSHOT, *INCREMENTS))
    check_chain(table("t", key=["v"]), (FULL_SNAPSHOT,))
    with pytest.raises(BronzeError, match=rf"^public\.t: batch 3 is an increment on batch 2, which was .*{message}"):
        check_chain(table("t"), (FULL_SNAPSHOT, increment("2", "1", **other), INCREMENTS[1]))
