"""A changed masking key or mask: refused until a rebuild."""

from __future__ import annotations

import pytest

from midnight.errors import MaskingError
from tests.support.masked_tables import (
    BOUGHT,
    CUSTOMERS,
    KEY,
    ORDERS,
    OTHER_KEY,
    PEOPLE,
    apply,
    found_in,
    masked,
    pseudonym,
)
from tests.support.sealed_batches import batch_id, read_rows, seal, silver_rows, table


def test_another_key_is_refused_until_everything_is_rebuilt(sail_session, lake):
    first = [seal(lake, CUSTOMERS, 1, PEOPLE), seal(lake, ORDERS, 1, BOUGHT)]
    apply(sail_session, lake, 1, (CUSTOMERS, first[:1]), (ORDERS, first[1:]))
    before = read_rows(lake.silver_table("customers"))
    plain = table("plain", {"id": "integer"}, key=["id"])

    with pytest.raises(MaskingError) as caught:
        apply(sail_session, lake, 2, (CUSTOMERS, PEOPLE), (plain, [{"id": 1}]), key=OTHER_KEY)
    assert str(caught.value) == (
        f"customers: silver 'customers' was written with masked born, email, phone (key {KEY.fingerprint}), this run "
        f"would write it with masked born, email, phone (key {OTHER_KEY.fingerprint}); hint: if this is intended, "
        "run midnight_rebuild for all tables, otherwise restore the key or the table file"
    )
    assert (read_rows(lake.silver_table("customers")), len(silver_rows(lake, plain))) == (before, 1)

    # A rebuild of one table is refused, too: orders would keep the old pseudonyms.
    with pytest.raises(MaskingError, match=r"\['orders'\] were masked with another key"):
        apply(sail_session, lake, 3, (CUSTOMERS, first[:1]), key=OTHER_KEY, rebuild=True)
    assert read_rows(lake.silver_table("customers")) == before

    apply(sail_session, lake, 4, (CUSTOMERS, first[:1]), (ORDERS, first[1:]), key=OTHER_KEY, rebuild=True)
    ann = pseudonym("canary.ann@x.example", OTHER_KEY)
    assert silver_rows(lake, ORDERS) == [{"id": 1, "customer": ann}]
    assert pseudonym("canary no mail") not in repr(read_rows(lake.quarantine))
    (entry,) = apply(sail_session, lake, 5, (CUSTOMERS, PEOPLE), key=OTHER_KEY)
    assert (entry.unchanged, entry.masking) == (3, f"{OTHER_KEY.fingerprint}:born,email,phone")


def test_a_new_mask_requires_a_rebuild_which_clears_the_quarantine(sail_session, lake):
    open_ = table("people", {"email": "text"}, key=["email"], checks=[CUSTOMERS.checks[0]])
    rules = {"key": ["email"], "on_schema_change": "freeze", "checks": [CUSTOMERS.checks[0]]}
    hidden = table("people", {"email": masked("text")}, **rules)
    rows = [{"email": "canary.ann@x.example"}, {"email": "canary no mail"}]
    apply(sail_session, lake, 1, (open_, rows), key=None)  # this batch will not be in bronze any more
    with pytest.raises(
        MaskingError, match="was written with no masked columns, this run would write it with masked email"
    ):
        apply(sail_session, lake, 2, (hidden, rows))
    apply(sail_session, lake, 3, (hidden, [seal(lake, hidden, 3, rows)]), rebuild=True)
    assert silver_rows(lake, hidden) == [{"email": pseudonym("canary.ann@x.example")}]
    assert [row["batch_id"] for row in read_rows(lake.quarantine)] == [batch_id(3)]
    shown = repr([read_rows(path) for path in (lake.quarantine, lake.ledger, lake.silver_table("people"))])
    assert found_in(shown.encode()) == []
    # A mask that was removed by mistake is refused, too.
    with pytest.raises(MaskingError, match="would write it with no masked columns"):
        apply(sail_session, lake, 4, (open_, rows), key=None)
