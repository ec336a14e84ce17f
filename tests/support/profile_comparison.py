"""Both profiles on the same source, for tests that compare what they make of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cli.postgres.embedded import Server
from midnight.lake.ledger import LedgerEntry, latest_entries, read_ledger
from midnight.settings import Settings
from tests.support import lake_comparison
from tests.support.azure_instance import AzureInstance
from tests.support.local_run import run_pipeline
from tests.support.sealed_batches import counts

TASKS = {
    "ingest.postgres_to_bronze_main",
    "bronze.plan_batch",
    "silver.bronze_to_silver",
    "gold.silver_to_gold",
    "serve.gold_to_serving",
    "report.refresh_report",
    "check_stopped_tables",
    "cancel_orphaned_runs",
}


@dataclass
class ProfileComparison:
    """Runs both profiles on the same source.

    Args:
        azure: the azure profile under Airflow.
        local: settings of the local profile; it has the same configuration.
        source: superuser's login.
        options: storage options for reading the lake in Azure with delta-rs.
        accounts: run id -> ledger entries of the local profile.
    """

    azure: AzureInstance
    local: Settings
    source: Server
    options: Mapping[str, str]
    accounts: dict[str, list[LedgerEntry]]

    def run(self, run_id: str) -> None:
        """Load the source's current state with both profiles."""
        states = self.azure.run(run_id, {"ingest_with": run_id.partition("-")[2]})
        assert states == dict.fromkeys(TASKS, "success"), self.azure.errors()
        batch_id = f"202611{len(self.accounts) + 1:02}T000000000Z-00000001"
        self.accounts[run_id] = run_pipeline(self.local, self.source, batch_id)

    def rows_of_azure(self, run_id: str) -> dict[str, tuple[int, dict[str, int]]]:
        """Number of rows read and their outcomes, by table."""
        return accounts(latest_entries(read_ledger(self.azure.settings.paths.ledger, self.options), run_id))

    def check_tables(self) -> None:
        """Assert that silver and gold are the same in both profiles."""
        for layer in (lake_comparison.silver, lake_comparison.gold):
            here, there = layer(self.local), layer(self.azure.settings, self.options)
            assert here.keys() == there.keys()
            for name, rows in here.items():
                assert rows.num_rows > 0
                assert there[name].equals(rows), name


def accounts(entries: Iterable[LedgerEntry]) -> dict[str, tuple[int, dict[str, int]]]:
    """Ledger entries by table, in a form that can be compared."""
    return {entry.table: (entry.rows_in, counts(entry)) for entry in entries}
