"""Random changes of the two incremental tables between runs, and what becomes of a run."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.incremental_source import IncrementalSource

writes = st.tuples(
    st.sampled_from(["write", "late", "too late", "silent", "null", "delete"]),
    st.integers(1, 5),
    st.sampled_from(["1", "2", "51", "x", None]),
    st.sampled_from(["a", "b", None]),
    st.integers(1, 6),
)


runs = st.lists(
    st.tuples(
        st.lists(writes, max_size=6), st.booleans(), st.sampled_from(["runs", "runs", "runs", "is missing", "dies"])
    ),
    min_size=2,
    max_size=4,
)


def change(batch: int, number: int, write: tuple, items: IncrementalSource, notes: IncrementalSource) -> None:
    """One change of each table. The cursor is a hundred times the batch, plus the number of the change."""
    what, i, v, w, u = write
    now = 100 * batch + number
    if what == "delete":
        items.rows.pop(i, None)
        notes.rows.pop(u, None)
        return
    moved = {"late": 100 * (batch - 1), "too late": 100 * (batch - 2), "null": None}.get(what, now)
    if what == "silent":  # the value changes and the cursor stays
        moved = items.rows.get(i, {"moved": now})["moved"]
    items.put({"id": i, "v": v, "w": w, "moved": moved})
    notes.put({"id": u, "item": i, "u": len(v or ""), "moved": moved})
