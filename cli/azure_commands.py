"""The subcommands that set up Azure and publish to it, and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.exit_codes import run_module as _run

Environment = Literal["dev", "prod"]


def synapse(
    environment: Annotated[Environment, typer.Option(help="The environment whose groups get rights.")],
    server: Annotated[str, typer.Option(help="<workspace>-ondemand.sql.azuresynapse.net, or host,port.")],
    account: Annotated[str, typer.Option(help="Storage account of the lake.")],
    database: Annotated[str, typer.Option(help="Database to create.")] = "midnight",
    weekly_limit_tb: Annotated[
        int, typer.Option("--weekly-limit-tb", help="Terabytes that queries may read per week.")
    ] = 5,
) -> None:
    """Set up Synapse serverless SQL as the person who is signed in with `az login`."""
    _run(
        "synapse",
        "cli.commands.synapse",
        environment=environment,
        server=server,
        account=account,
        database=database,
        weekly_limit_tb=weekly_limit_tb,
    )


def wheel(
    folder: Annotated[
        Path | None, typer.Option(help="Folder for the wheel; default: dist/ of the repository.", show_default=False)
    ] = None,
) -> None:
    """Build the wheel for Databricks."""
    _run("wheel", "tools.wheel", folder=folder)


def publish_wheel(
    folder: Annotated[
        str,
        typer.Argument(metavar="FOLDER", help="Folder in the workspace, printed by `terraform output wheel_folder`."),
    ],
) -> None:
    """Build the wheel for Databricks and upload it, never over a different file."""
    _run("publish-wheel", "tools.publish_wheel", folder=folder)


def publish_power_bi(
    server: Annotated[str, typer.Option(help="<workspace>-ondemand.sql.azuresynapse.net.")],
    workspace: Annotated[
        str | None,
        typer.Option(
            envvar="MIDNIGHT_POWERBI_GROUP_ID", help="Id or name of the Power BI workspace.", show_default=False
        ),
    ] = None,
    database: Annotated[str | None, typer.Option(help="Synapse database; default: MIDNIGHT_SYNAPSE_DATABASE.")] = None,
    connection: Annotated[str, typer.Option(help="Connection of Fabric to Synapse.")] = "power_bi_reader",
    as_person: Annotated[
        bool, typer.Option("--as-person", help="Sign in as you (az login) instead of as Airflow.")
    ] = False,
) -> None:
    """Publish the Power BI model and report; a second time updates them."""
    if not workspace:
        raise typer.BadParameter("--workspace is missing, and MIDNIGHT_POWERBI_GROUP_ID is not set")
    _run(
        "publish-power-bi",
        "cli.commands.publish_power_bi",
        workspace=workspace,
        server=server,
        database=database,
        connection=connection,
        as_person=as_person,
    )
