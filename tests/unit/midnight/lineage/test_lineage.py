"""What uses a column of silver downstream: through models, views, charts and measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from midnight.lineage.lineage import Lineage
from midnight.run.run_configuration import load_run_configuration
from midnight.settings import Settings, load_settings
from tests.support.shop import write_shop


@pytest.fixture
def shop(tmp_path: Path) -> Lineage:
    folder = write_shop(tmp_path / "include")
    configuration = load_run_configuration(Settings(config=folder), [])
    return Lineage(folder, configuration.tables.tables)


def test_a_column_is_followed_through_models_views_and_the_report(shop: Lineage) -> None:
    assert shop.uses("orders", ["day"]) == (
        "gold.fact_order (day)",
        "gold.orders_per_day",
        "reporting.days",
        "reporting.busy_days",
        "report figure 'Busy days'",
    )
    assert shop.uses("customer", ["name"]) == ("gold.fact_order (customer)",)
    assert shop.uses("product", ["price"]) == ("gold.dim_product (price)", "reporting.products (price)")
    assert shop.uses("product") == ("gold.dim_product", "reporting.products", "report figure 'Products'")
    assert shop.uses("line", ["pieces"]) == shop.uses("line") == ()
    assert shop.uses("customer") == shop.uses("orders")


def test_measures_and_visuals_of_the_demo() -> None:
    settings = load_settings()
    configuration = load_run_configuration(settings, [])
    uses = Lineage(settings.config, configuration.tables.tables).uses("flights", ["distance"])
    assert "gold.fact_flight (distance_miles)" in uses
    assert "reporting.flight (distance_miles)" in uses
    assert "Power BI measure 'Mean distance'" in uses
    assert not any("On-time share" in use for use in uses)
    delays = Lineage(settings.config, configuration.tables.tables).uses("flights", ["arr_delay"])
    assert "Power BI measure 'On-time share'" in delays  # a share of other measures
    assert "Power BI visual 'On-time share by day' on 'Punctuality'" in delays
