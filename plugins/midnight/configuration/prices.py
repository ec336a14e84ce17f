"""The prices of the services: the model of ``include/prices.yml``."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

from pydantic import Field

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationError

FILE_NAME = "prices.yml"


class Price(ConfigurationModel):
    """One price.

    Args:
        price: in the currency of the file.
        source: where it is from: the contract, or the page with the date.
    """

    price: float = Field(ge=0)
    source: str = Field(min_length=1)

    @property
    def exact(self) -> Decimal:
        """The price as it is written."""
        return Decimal(repr(self.price))


class Prices(ConfigurationModel):
    """The price of each unit that is counted.

    Args:
        machine_hour: an hour of one machine of the Databricks cluster.
        dbu: one Databricks unit.
        dbu_per_machine_hour: Databricks units of one machine in an hour: a number, not an amount.
        storage_gb_month: one GB kept for a month of 730 hours.
        write_operations: 10,000 write operations of the storage account.
        scanned_tb: one TB that serverless SQL processes.
        key_vault_operations: 10,000 operations.
        copy_hour: an hour of data movement on a self-hosted integration runtime.
        diu_hour: an hour of one data integration unit, on the Azure integration runtime.
        activity_runs: 1,000 activity runs.
        capacity_minute: a minute of a refresh on a Power BI or Fabric capacity.
    """

    machine_hour: Price
    dbu: Price
    dbu_per_machine_hour: Price
    storage_gb_month: Price
    write_operations: Price
    scanned_tb: Price
    key_vault_operations: Price
    copy_hour: Price
    diu_hour: Price
    activity_runs: Price
    capacity_minute: Price


class PriceFile(ConfigurationModel):
    """``include/prices.yml``.

    Args:
        currency: of all prices, as an ISO 4217 code.
        as_of: the day on which the prices were valid.
        prices: one per unit.
    """

    currency: str = Field(pattern="^[A-Z]{3}$", examples=["EUR"])
    as_of: date
    prices: Prices


def load_prices(folder: Path) -> PriceFile | None:
    """The prices; None without the file: then nothing is priced.

    Args:
        folder: of the configuration (``include/``).

    Raises:
        ConfigurationError: lists all problems of the file.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    document = YamlDocument(path, folder)
    prices = document.validate(PriceFile)
    if prices is None:
        raise ConfigurationError(document.problems)
    return prices
