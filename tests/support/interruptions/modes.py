"""The modes of the worlds: how their tables are read, deleted and compared with the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Mode:
    """How the tables of a world are loaded.

    Args:
        name: in the table of outcomes.
        with_factory: Data Factory copies them, else the operator reads them.
        incremental: at least one of them.
        cursor: of the incremental ones.
        deletes: of the incremental ones; ``soft`` of all that have a key.
        reconcile: of all tables.
    """

    name: str
    with_factory: bool = False
    incremental: bool = True
    cursor: Literal["moved", "xmin"] = "moved"
    deletes: Literal["snapshot", "keys", "soft"] = "snapshot"
    reconcile: Literal["counts", "digests"] = "digests"

    @property
    def reads(self) -> str:
        """The stage that reads the source."""
        return "copy" if self.with_factory else "ingest"

    @property
    def finds_deletes(self) -> bool:
        """Each run finds the rows that are gone."""
        return not self.incremental or self.deletes != "snapshot"


MODES = (
    Mode("snapshot", incremental=False),
    Mode("incremental", reconcile="counts"),
    Mode("adf snapshot", with_factory=True, incremental=False),
    Mode("adf incremental", with_factory=True, reconcile="counts"),
    Mode("keys", deletes="keys"),
    Mode("xmin", cursor="xmin", deletes="keys"),
    Mode("soft", deletes="soft"),
    Mode("adf keys", with_factory=True, deletes="keys"),
)
