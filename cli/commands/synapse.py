"""``python -m cli synapse``: set up Synapse serverless SQL, as the person who is signed in (az login)."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from midnight.gold_to_serving.synapse_setup import check_setup, run_setup, setup_scripts
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY
from midnight.synapse.connection import SynapseServer


def main(arguments: Sequence[str]) -> int:
    """Run the set-up; running it again changes nothing.

    Raises:
        ConfigurationError, ServingError: says which statement was refused, why, and what to do.
    """
    parser = argparse.ArgumentParser(prog="python -m cli synapse", description=__doc__)
    parser.add_argument("--environment", required=True, choices=("dev", "prod"), help="whose groups get rights")
    parser.add_argument("--server", required=True, help="<workspace>-ondemand.sql.azuresynapse.net, or host,port")
    parser.add_argument("--account", required=True, help="storage account of the lake")
    parser.add_argument("--database", default="midnight", help="default: midnight")
    parser.add_argument(
        "--weekly-limit-tb", type=int, default=5, help="data that queries may read per week; default: 5"
    )
    given = parser.parse_args(arguments)
    # Azure's clients would tell of each way to sign in that they tried. The person comes before the AZURE_* variables
    # of .env, which are Airflow's and may not make a database.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    host, _, port = given.server.partition(",")
    server = SynapseServer(host=host, port=int(port or 1433), database=given.database, as_person=True)
    scripts = setup_scripts(
        REPOSITORY / "include",
        given.environment,
        database=given.database,
        storage_account=given.account,
        weekly_limit_tb=given.weekly_limit_tb,
    )
    run_setup(server, scripts, lambda line: print(f"✓ {line}", flush=True))
    check_setup(server, LakePaths.in_account(given.account).gold)
    print(f"✓ {given.database} on {host} is ready for the first night; make doctor looks at Airflow's rights")
    return 0
