"""The digest that each table of silver or gold should have, as the last run left it: a Delta table, replaced each time.

A run that changes a thousandth of a table brings the digest up to date from the changed rows, without reading the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from midnight.errors import ReconciliationError, first_line

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from midnight.reconciliation.row_digest import DigestPlan
    from midnight.reconciliation.row_sources import TableState

# Part of every digest: raise it when the same rows give another digest.
DIGEST_FORMAT = 2
STATE_COLUMNS = {
    "table": "string",
    "content": "string",
    "stamp": "string",
    "version": "bigint",
    "status": "string",
    "columns": "string",
    "digest": "binary",
    "recorded_at": "timestamp",
}


class TableDigest(BaseModel):
    """What a table should contain.

    Args:
        table: name in silver or gold.
        content: identifies what the table was computed from: the ledger's fingerprint, or the build of a model.
        stamp: of its files (``TableState.stamp``); empty in Azure.
        version: of the table, whose files show what it contained; -1 in Azure.
        status: ``different``: the table was found to differ, so that it has to be written again.
        columns: format, columns and key of the digest.
        digest: the numbers of ``row_digest``.
        recorded_at: when.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    table: str
    content: str
    stamp: str
    version: int
    status: Literal["equal", "different"]
    columns: str
    digest: bytes
    recorded_at: datetime

    @property
    def plan(self) -> DigestPlan | None:
        """The columns and the key of the digest; None if another version has made it."""
        return parse_plan(self.columns)

    @property
    def sums(self) -> np.ndarray[Any, Any]:
        """The numbers of the digest; of a plan that is not None."""
        import numpy as np

        from midnight.reconciliation.row_digest import BUCKETS

        return np.frombuffer(self.digest, "<u8").reshape(BUCKETS, -1).copy()


def make_state(
    table: str,
    content: str,
    files: TableState,
    plan: DigestPlan,
    sums: np.ndarray[Any, Any],
    *,
    different: bool = False,
) -> TableDigest:
    """The state of a table at this moment; for the arguments see ``TableDigest``."""
    return TableDigest(
        table=table,
        content=content,
        stamp=files.stamp if files.files else "",
        version=files.version,
        status="different" if different else "equal",
        columns=describe_plan(plan),
        digest=sums.astype("<u8").tobytes(),
        recorded_at=datetime.now(UTC),
    )


def describe_plan(plan: DigestPlan) -> str:
    """Format, columns and key of a digest as JSON: digests of different columns cannot be compared."""
    columns = [[name, str(kind)] for name, kind in plan.columns]
    return json.dumps({"format": DIGEST_FORMAT, "columns": columns, "key": list(plan.key)})


def parse_plan(text: str) -> DigestPlan | None:
    """The plan of ``describe_plan``; None if it is of another format."""
    import pyarrow as pa

    from midnight.reconciliation.row_digest import DigestPlan

    found = json.loads(text)
    if found.get("format") != DIGEST_FORMAT:
        return None
    kinds = {"date32[day]": pa.date32(), "timestamp[us]": pa.timestamp("us"), "large_binary": pa.large_binary()}
    kinds |= {"int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_()}
    columns = []
    for name, kind in found["columns"]:
        scale = re.fullmatch(r"decimal128\(38, (\d+)\)", kind)
        columns.append((name, pa.decimal128(38, int(scale[1])) if scale else kinds[kind]))
    return DigestPlan(tuple(columns), tuple(found["key"]))


def read_states(path: str, storage_options: Mapping[str, str] | None = None) -> dict[str, TableDigest]:
    """The states of all tables by delta-rs; empty before the first run.

    Args:
        path: ``LakePaths.silver_digests`` or ``gold_digests``.
        storage_options: ``LakeFiles.storage_options``.

    Raises:
        ReconciliationError: they cannot be read.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        rows = DeltaTable(path, storage_options=dict(storage_options or {})).to_pyarrow_table().to_pylist()
    except TableNotFoundError:
        return {}
    except (DeltaError, OSError) as error:
        raise ReconciliationError(f"{path} cannot be read: {first_line(error)}; hint: delete this folder") from error
    return states_of_rows(rows)


def states_of_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, TableDigest]:
    """The states by table."""
    return {row["table"]: TableDigest.model_validate(row) for row in rows}


def write_states_locally(path: str, states: Mapping[str, TableDigest]) -> None:
    """Replace the states of all tables in one commit, in a folder.

    Raises:
        ReconciliationError: they cannot be written.
    """
    import pyarrow as pa
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    try:
        write_deltalake(path, _as_table(states), mode="overwrite")
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise ReconciliationError(
            f"{path} cannot be written: {first_line(error)}; hint: check the free space and the permissions of the lake"
        ) from error


def _as_table(states: Mapping[str, TableDigest]) -> pa.Table:
    import pyarrow as pa

    kinds = {"string": pa.string(), "binary": pa.binary(), "bigint": pa.int64(), "timestamp": pa.timestamp("us", "UTC")}
    schema = pa.schema([(name, kinds[kind]) for name, kind in STATE_COLUMNS.items()])
    return pa.Table.from_pylist([states[name].model_dump() for name in sorted(states)], schema)
