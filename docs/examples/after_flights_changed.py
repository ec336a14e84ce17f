"""
# after_flights_changed: an example of a DAG that runs after a gold model has changed

Copy it into the folder of your own DAGs. Airflow starts it when `midnight_pipeline` or `midnight_rebuild` has published
new rows of `fact_flight`; not after a run in which no flight has changed.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, dag, task

# midnight://<source: name of pipeline.yml>/gold/<model>, the same on a laptop and in Azure
FLIGHTS = Asset("midnight://nycflights/gold/fact_flight")


@dag(schedule=[FLIGHTS], catchup=False, tags=["midnight", "example"], doc_md=__doc__)
def after_flights_changed() -> None:
    @task(inlets=[FLIGHTS])
    def tell(triggering_asset_events: Any = None) -> None:
        for event in triggering_asset_events[FLIGHTS]:
            facts = event.extra
            print(f"build {facts['build_id']} has {facts['rows']:,} flights: {facts['link']}")

    tell()


after_flights_changed()
