"""What changed in a table of the source since its last batch, and whether old rows can be adapted to it.

Columns are told apart by attnum, tables by oid: a renamed column is the same column, one that was dropped and added
again under its name is another. Where identities are unknown (Data Factory) or not comparable (another server), names
decide. Old rows are those that an incremental table read before: silver reads them again from their batches, with the
columns of the newest batch (``midnight.bronze.alignment``), if a change says no ``full_read``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from midnight.bronze.manifest import BronzeColumn, BronzeRelation, Manifest
from midnight.bronze.type_width import holds


@dataclass(frozen=True)
class SchemaChange:
    """One difference between a table and its last batch.

    Args:
        text: for people.
        column: its name in the files; empty for a change of the table.
        full_read: why old rows cannot be adapted, so that an incremental table is read in full; empty if they can.
        added: a new column in which old rows are assumed to show its ``missing`` value, which the source must confirm.
    """

    text: str
    column: str = ""
    full_read: str = ""
    added: BronzeColumn | None = None


@dataclass(frozen=True)
class SourceTableSchema:
    """A table as the source's catalogue describes it now.

    Args:
        columns: that are read.
        relation: its identity; None if unknown.
        place: server and database, as ``ReadFrom`` names them.
        unread: attnums of the other columns of the table.
    """

    columns: Sequence[BronzeColumn]
    relation: BronzeRelation | None = None
    place: tuple[str, str] = ("", "")
    unread: frozenset[int] = frozenset()

    def is_same_relation(self, batch: Manifest) -> bool:
        """Whether attnums of a batch identify columns of this table."""
        return self._is_same_place(batch) and batch.relation is not None and batch.relation.oid == self._oid

    def is_other_relation(self, batch: Manifest) -> bool:
        """Whether the batch was read from another table of this name."""
        return self._is_same_place(batch) and batch.relation is not None and batch.relation.oid != self._oid

    @property
    def _oid(self) -> int:
        return self.relation.oid if self.relation else 0

    def _is_same_place(self, batch: Manifest) -> bool:
        return self.relation is not None and self.place == (batch.read_from.server, batch.read_from.database)


def schema_changes(before: Manifest, now: SourceTableSchema) -> tuple[SchemaChange, ...]:
    """The differences between a table and its last batch; empty if there is none.

    Args:
        before: the last batch.
        now: the table.
    """
    same = now.is_same_relation(before)
    old = {column.attnum if same else column.source: column for column in before.columns}
    new = {column.attnum if same else column.source: column for column in now.columns}
    changes: list[SchemaChange] = []
    if now.is_other_relation(before) and now.relation is not None and before.relation is not None:
        changes.append(_other_relation(before.relation, now.relation))
    for identity, column in new.items():
        if identity in old:
            changes += _column_changes(old[identity], column, same=same, rewritten=_is_rewritten(before, now))
        else:
            replaced = any(c.source == column.source for key, c in old.items() if key not in new)
            changes.append(_added(column, before, now, replaced=replaced, same=same))
    again = {column.source for identity, column in new.items() if identity not in old}
    changes += [
        SchemaChange(
            f"column {column.source!r} {'is not read any more' if column.attnum in now.unread else 'was dropped'}",
            column.name,
        )
        for identity, column in old.items()
        if identity not in new and column.source not in again
    ]
    if (key := _key(now.columns)) != (old_key := _key(before.columns)) and same:
        changes.append(SchemaChange(f"the primary key is {list(key)!r}, it was {list(old_key)!r}"))
    return tuple(changes)


def full_read_reason(before: Manifest, now: SourceTableSchema) -> str:
    """Why the rows of earlier batches cannot be adapted to a table; empty if they can."""
    return "; ".join(dict.fromkeys(c.full_read for c in schema_changes(before, now) if c.full_read))


def carry_missing(before: Manifest, now: SourceTableSchema) -> tuple[BronzeColumn, ...]:
    """The columns of a table, with the defaults of old rows that PostgreSQL forgets when it rewrites the table."""
    if not now.is_same_relation(before):
        return tuple(now.columns)
    old = {column.attnum: column.missing for column in before.columns}
    return tuple(
        c.model_copy(update={"missing": old[c.attnum]}) if c.missing is None and old.get(c.attnum) is not None else c
        for c in now.columns
    )


def _other_relation(before: BronzeRelation, now: BronzeRelation) -> SchemaChange:
    text = "the table was dropped and created again"
    if before.kind != now.kind:
        text = f"the {before.kind} was replaced by a {now.kind}"
    return SchemaChange(text, full_read=text)


def _column_changes(old: BronzeColumn, new: BronzeColumn, *, same: bool, rewritten: bool) -> Iterator[SchemaChange]:
    name = new.source
    if old.source != new.source:
        yield SchemaChange(f"column {old.source!r} was renamed to {new.source!r}", new.name)
    if (old.postgres_type, old.stored_as) != (new.postgres_type, new.stored_as):
        text = f"column {name!r} is {new.postgres_type}, it was {old.postgres_type}"
        if old.postgres_type == new.postgres_type:
            text = f"column {name!r} is stored as {new.stored_as}, it was as {old.stored_as}"
        adapted = old.stored_as != new.stored_as and holds(new.stored_as, old.stored_as)
        unchanged = old.stored_as == new.stored_as and not rewritten
        yield SchemaChange(text, new.name, "" if adapted or unchanged else text)
    if same and old.nullable != new.nullable:
        yield SchemaChange(f"column {name!r} {'allows' if new.nullable else 'no longer allows'} null", new.name)
    yield from _label_changes(old, new)


def _label_changes(old: BronzeColumn, new: BronzeColumn) -> Iterator[SchemaChange]:
    name = new.source
    if not old.labels and not new.labels:
        return
    pairs = [(old.labels[oid], label) for oid, label in new.labels.items() if oid in old.labels]
    renamed = [f"{before!r} to {label!r}" for before, label in pairs if before != label]
    if renamed:
        text = f"in the type of column {name!r}, {', '.join(renamed)} was renamed"
        yield SchemaChange(text, new.name, text)
    added = sorted(label for oid, label in new.labels.items() if oid not in old.labels)
    removed = sorted(label for oid, label in old.labels.items() if oid not in new.labels)
    if removed:
        text = f"column {name!r} has another type with the values {sorted(new.labels.values())!r}"
        yield SchemaChange(text, new.name, text)
    elif added:
        yield SchemaChange(f"the type of column {name!r} has new values {added!r}", new.name)


def _added(
    column: BronzeColumn, before: Manifest, now: SourceTableSchema, *, replaced: bool, same: bool
) -> SchemaChange:
    name = column.source
    text = f"column {name!r} was {'dropped and added again' if replaced else 'added'}"
    earlier = before.relation
    if not same or earlier is None:
        return SchemaChange(text, column.name, f"column {name!r} is new")
    if column.attnum <= earlier.last_attnum:
        text = f"column {name!r} is read for the first time"
        return SchemaChange(text, column.name, text)
    if column.computed:
        return SchemaChange(text, column.name, f"{text}: its values in old rows are computed")
    text += f"; old rows show {'null' if column.missing is None else 'its default'}"
    return SchemaChange(text, column.name, added=column)


def _is_rewritten(before: Manifest, now: SourceTableSchema) -> bool:
    old, new = before.relation, now.relation
    return old is not None and new is not None and (old.oid, old.filenode) != (new.oid, new.filenode)


def _key(columns: Sequence[BronzeColumn]) -> tuple[str, ...]:
    keyed = [column for column in columns if column.key_position is not None]
    return tuple(column.source for column in sorted(keyed, key=lambda c: c.key_position or 0))
