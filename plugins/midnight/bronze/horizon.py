"""The horizon of a snapshot: what it did not show, so that the next read misses nothing and a late commit is found.

A transaction that a snapshot does not show has an id of at least the snapshot's ``xmin``, at its start or later
(PostgreSQL manual 9.27.9, "pg_snapshot Components"); ids of subtransactions are greater than that of their transaction.
So every row version that was committed later has such an id in its system column ``xmin``, whatever its cursor is.
Ids are 64 bits wide here, with the epoch in the upper half, and never repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from midnight.bronze.manifest_model import ManifestModel

# A row has the lower half of its transaction's id, which names one of 2^32; `age` compares 2^31 of them. The rest is
# room for those that begin while the table is read.
MOST_TRANSACTIONS = 2_000_000_000


class Relation(ManifestModel):
    """The table in the source, as the snapshot shows it.

    Args:
        oid: of the table.
        parts: oids of the relations that hold its rows (the table itself, partitions, tables that inherit from it).
        has_xmin: all of them are heaps, which record for each row the transaction that wrote it, and the role may read
            that: it has SELECT on the table, not only on columns.
        values: digest of everything in the catalogue that the text of the stored values depends on; empty where values
            may change although no row does.
    """

    oid: int
    parts: tuple[int, ...]
    has_xmin: bool
    values: str = ""


class Horizon(ManifestModel):
    """What a snapshot did not show, and where it was taken.

    Args:
        batch_id: the batch that was read in this snapshot; a batch of Data Factory, which has no snapshot, takes over
            the horizon of the batch before it.
        snapshot: as ``pg_current_snapshot()`` prints it, ``xmin:xmax:in progress``, 64 bits each.
        clock: of the server, right before the open transactions were listed, which is before the snapshot.
        oldest_start: when the oldest transaction began that could still write, prepared ones included, or an earlier
            time; at most ``clock``; None if it is unknown.
        open_transactions: those, each with its start or an earlier time; None: unknown. The names are virtual
            transaction ids, of prepared transactions ``prepared/<xid>``.
        cluster: the server's system identifier, or its address where the role may not read that.
        timeline: a new one begins with each failover and recovery to a point in time; None if it is unknown.
        database: oid.
        in_recovery: it was read from a standby, which does not know when transactions began.
        relation: the table; None if it was not looked up.
    """

    batch_id: str
    snapshot: str
    clock: datetime
    oldest_start: datetime | None
    open_transactions: dict[str, datetime | None] = Field(default_factory=dict)
    cluster: str
    timeline: int | None
    database: int
    in_recovery: bool = False
    relation: Relation | None = None

    @property
    def xmin(self) -> int:
        """Every transaction with a smaller id had ended."""
        return snapshot_bounds(self.snapshot)[0]

    @property
    def xmax(self) -> int:
        """No transaction with this id or a greater one had ended."""
        return snapshot_bounds(self.snapshot)[1]

    @property
    def oldest_age(self) -> float | None:
        """Seconds for which the oldest transaction had been open; None if it is unknown."""
        return None if self.oldest_start is None else (self.clock - self.oldest_start).total_seconds()

    def other_place(self, now: Horizon) -> str:
        """Why transaction ids of this horizon mean nothing in the snapshot that is read now; empty if they do."""
        if now.cluster != self.cluster:
            return f"the server is {now.cluster} instead of {self.cluster}"
        if now.timeline != self.timeline:
            return f"the server is on timeline {now.timeline} instead of {self.timeline}, after a failover or a restore"
        if now.database != self.database:
            return "the database was created again"
        if now.xmax < self.xmin and not now.in_recovery:
            return f"the server's next transaction is {now.xmax}, but {self.xmin} was reached before"
        if now.relation and self.relation and now.relation.oid != self.relation.oid:
            return "the table was created again, or another one has its name now"
        return ""

    def too_far_back(self, now: Horizon) -> bool:
        """So many transactions began since that the ids in the rows are ambiguous."""
        return now.xmax - self.xmin >= MOST_TRANSACTIONS


def oldest_start(
    clock: datetime, found: Mapping[str, datetime | None], before: Horizon | None
) -> tuple[datetime | None, dict[str, datetime | None]]:
    """When the oldest open transaction began, and the same for each; where that cannot be seen, an earlier time.

    A role without ``pg_read_all_stats`` does not see when transactions of other roles began. What was not open at the
    horizon before has begun since; what was open keeps its time from there.

    Args:
        clock: of the server, before ``found`` was listed.
        found: the open transactions, with their start if it can be seen.
        before: the horizon before, of the same server; None if there is none.

    Returns:
        The oldest start, None if it is unknown; and that of each transaction.
    """
    starts: dict[str, datetime | None] = {}
    for name, started in found.items():
        starts[name] = started
        if started is None and before is not None:
            # A transaction that is prepared now may have been open then under another name.
            since = before.oldest_start if name.startswith("prepared/") else before.clock
            starts[name] = before.open_transactions.get(name, since)
    known = [start for start in starts.values() if start is not None]
    return (min([clock, *known]) if len(known) == len(starts) else None), starts


def snapshot_bounds(snapshot: str) -> tuple[int, int]:
    """``xmin`` and ``xmax`` of a snapshot: all smaller ids had ended, and none of at least the second one.

    Args:
        snapshot: as ``pg_current_snapshot()`` prints it.
    """
    xmin, xmax = snapshot.split(":")[:2]
    return int(xmin), int(xmax)


def written_since(xmin: int, prefix: str = "") -> str:
    """The SQL condition on rows that this transaction or a later one wrote.

    ``age`` counts back from the transaction's own next id and needs no conversion to text. Rows that were frozen keep
    their id: in a table that is old enough one may fulfil the condition that was written before.

    Args:
        xmin: 64 bits, at most ``MOST_TRANSACTIONS`` ago.
        prefix: alias of the table in the query, with its dot.
    """
    age = f"pg_catalog.age({prefix}xmin)"
    # In this order: of nearly all rows the first comparison is enough.
    return f"({age} <= (SELECT pg_catalog.age('{xmin % 2**32}'::pg_catalog.xid)) AND {age} > 0)"


def newer_condition(before: Horizon, now: Horizon, prefix: str = "") -> str:
    """The SQL condition on rows that the earlier snapshot may not have shown: none is missing, a few were shown.

    Args:
        before: the horizon of the earlier snapshot.
        now: of the snapshot that is read.
        prefix: alias of the table in the query, with its dot.
    """
    condition = written_since(before.xmin, prefix)
    parts = set(now.relation.parts if now.relation else ()) - set(before.relation.parts if before.relation else ())
    if not parts:
        return condition
    # A table that was attached brings rows that were written long before.
    return f"({condition} OR {prefix}tableoid IN ({', '.join(str(oid) for oid in sorted(parts))}))"
