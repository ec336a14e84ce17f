"""What two profiles made of the same source, to be compared row for row."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow
from deltalake import DeltaTable

from midnight.configuration.files import load_configuration
from midnight.lake.paths import LakePaths
from midnight.settings import Settings
from midnight.silver_to_gold.builds import read_builds


def rows_of(path: str, options: Mapping[str, str]) -> pyarrow.Table:
    """All rows of a Delta table, sorted by all columns; the columns that name the run are left out."""
    table = DeltaTable(path, storage_options=dict(options)).to_pyarrow_table()
    columns = sorted(name for name in table.column_names if not name.startswith("_"))
    return table.select(columns).sort_by([(name, "ascending") for name in columns])


def silver(settings: Settings, options: Mapping[str, str] | None = None) -> dict[str, pyarrow.Table]:
    """Rows of every configured silver table.

    Args:
        settings: of the profile.
        options: what delta-rs needs to reach its lake.
    """
    tables = load_configuration(settings.config).tables
    return {t.silver: rows_of(settings.paths.silver_table(t.silver), options or {}) for t in tables}


def gold(settings: Settings, options: Mapping[str, str] | None = None) -> dict[str, pyarrow.Table]:
    """Rows of every model of the newest build; for the arguments see ``silver``."""
    paths: LakePaths = settings.paths
    build = read_builds(paths.gold_builds, options or {})[-1]
    return {name: rows_of(build.model_path(paths, name), options or {}) for name in build.models}
