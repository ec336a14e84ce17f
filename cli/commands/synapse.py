"""`midnight synapse`: set up Synapse serverless SQL, as the person who is signed in (az login)."""

from __future__ import annotations

import logging
from typing import Literal

from midnight.gold_to_serving.synapse_setup import check_setup, run_setup, setup_scripts
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY
from midnight.synapse.connection import SynapseServer


def main(*, environment: Literal["dev", "prod"], server: str, account: str, database: str, weekly_limit_tb: int) -> int:
    """Run the set-up; running it again changes nothing.

    Args:
        environment: ``dev`` or ``prod``, whose groups get rights.
        server: host, or ``host,port``.
        account: storage account of the lake.
        database: to create.
        weekly_limit_tb: terabytes that queries may read per week.

    Raises:
        ConfigurationError, ServingError: which statement was refused, why, and what to do.
    """
    # Azure's clients log each way to sign in that they try. The person comes before the AZURE_* variables of .env:
    # those are Airflow's, which may not create a database.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    host, _, port = server.partition(",")
    endpoint = SynapseServer(host=host, port=int(port or 1433), database=database, as_person=True)
    scripts = setup_scripts(
        REPOSITORY / "include",
        environment,
        database=database,
        storage_account=account,
        weekly_limit_tb=weekly_limit_tb,
    )
    run_setup(endpoint, scripts, lambda line: print(f"✓ {line}", flush=True))
    check_setup(endpoint, LakePaths.in_account(account).gold)
    print(f"✓ {database} on {host} is ready for the first run; `make doctor` checks Airflow's permissions")
    return 0
