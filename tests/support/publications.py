"""A record of a publication of which only the time matters."""

from __future__ import annotations

from datetime import datetime

from midnight.gold_to_serving.publication import Publication


def published(at: datetime) -> Publication:
    """A publication at this time, without views."""
    return Publication(
        build_id="b",
        batch_id="b",
        run_id="r",
        published_at=at,
        published_by="r",
        engine="duckdb",
        location="x",
        views={},
    )
