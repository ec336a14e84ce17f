"""The command `midnight`: its subcommands and their options.

Each subcommand imports its module when it runs, so that `midnight --help` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli import azure_commands, quarantine
from cli.exit_codes import run_module as _run

app = typer.Typer(
    name="midnight",
    help="Every night from PostgreSQL to an Azure lakehouse; here on one machine.",
    epilog="Exit codes: 0 done, 1 your data or configuration, 2 usage, 3 a defect of Midnight, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # cli.exit_codes prints errors
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

app.add_typer(quarantine.app, name="quarantine")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON; progress goes to standard error.")]


@app.callback()
def load_environment() -> None:  # without a docstring: it would replace the help of the app
    from dotenv import load_dotenv

    from midnight.settings import REPOSITORY

    load_dotenv(REPOSITORY / ".env", override=False)


@app.command()
def up(json: Json = False) -> None:
    """Start everything, run the pipeline once, and show the outcome."""
    _run("up", "cli.commands.up", as_json=json)


@app.command()
def run(json: Json = False) -> None:
    """Run the pipeline now on the running instance, and show the outcome."""
    _run("run", "cli.commands.run", as_json=json)


@app.command()
def night(json: Json = False) -> None:
    """Add one day to the demo source, run the pipeline, and show the outcome."""
    _run("night", "cli.commands.night", as_json=json)


@app.command()
def status(
    json: Json = False,
    fail_if_older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Exit with 1 if the newest publication is older, for example 7h, 90m or 2d."),
    ] = None,
) -> None:
    """Show services, the last runs, the last row ledger and disk use."""
    limit = None
    if fail_if_older_than is not None:
        from cli.console.publication_age import parse_age

        try:
            limit = parse_age(fail_if_older_than)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    _run("status", "cli.commands.status", as_json=json, oldest=limit)


@app.command()
def down() -> None:
    """Stop all processes of the instance; the data stays."""
    _run("down", "cli.commands.down")


@app.command()
def reset() -> None:
    """Stop all processes, and remove the instance with its data."""
    _run("reset", "cli.commands.reset")


@app.command()
def init(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            envvar="SOURCE",
            metavar="SOURCE",
            help="URL of the database, postgresql://user@host/database; its password is asked for.",
        ),
    ],
) -> None:
    """Write the configuration for your database."""
    on_command_line = getattr(context.get_parameter_source("source"), "name", "") == "COMMANDLINE"
    _run("init", "cli.commands.init", source=source, password_allowed=not on_command_line)


@app.command()
def check(
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", envvar="FORMAT", help="Form of the output.")
    ] = "text",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Report every problem of every configuration file, with file and line."""
    _run("check", "cli.commands.check", as_json=json or form == "json")


@app.command()
def lineage(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A column (public.flights.tailnum), table, view, measure, visual, chart or check.",
            show_default=False,
        ),
    ] = None,
    upstream: Annotated[bool, typer.Option("--upstream", help="Only where it comes from.")] = False,
    downstream: Annotated[bool, typer.Option("--downstream", help="Only what depends on it.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page with a picture of all columns.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Show where a column comes from, and what depends on it, from the source to the report."""
    if name is None and html is None:
        raise typer.BadParameter("give a name, for example public.flights.tailnum, or --html FILE")
    chosen = [way for way, given in (("upstream", upstream), ("downstream", downstream)) if given]
    _run(
        "lineage",
        "cli.commands.lineage",
        of=name,
        directions=chosen or ["upstream", "downstream"],
        as_json=json,
        html=html,
    )


@app.command()
def doctor(
    json: Json = False,
    send_test_alert: Annotated[
        bool, typer.Option("--send-test-alert", help="Send one message through every channel of alerts.")
    ] = False,
) -> None:
    """Check the setup, and show a hint for each problem; nothing is changed."""
    _run("doctor", "cli.commands.doctor", as_json=json, send_test_alert=send_test_alert)


@app.command()
def build(
    model: Annotated[
        str | None,
        typer.Option(envvar="MODEL", help="Build this gold model and the models that depend on it; default: all."),
    ] = None,
    json: Json = False,
) -> None:
    """Build gold from the current silver, without publishing it."""
    _run("build", "cli.commands.build", model=model, as_json=json)


@app.command()
def publish() -> None:
    """Check the configuration, and point the local views at the newest build."""
    _run("publish", "cli.commands.publish")


@app.command()
def query(
    sql: Annotated[str, typer.Argument(envvar="SQL", metavar="SQL", help="One SELECT in DuckDB's SQL.")],
    form: Annotated[
        Literal["table", "json", "csv"], typer.Option("--format", envvar="FORMAT", help="Form of the output.")
    ] = "table",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Query the local views; nothing can be changed."""
    if not sql.strip():
        raise typer.BadParameter('the query is empty; hint: midnight query "SELECT * FROM reporting.…"')
    _run("query", "cli.commands.query", sql=sql, form="json" if json else form)


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],  # Airflow's own help
    },
    options_metavar="",
)
def airflow(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGUMENTS", help="Arguments of Airflow's command, passed on.")
    ] = None,
) -> None:
    """Run Airflow's command line for the instance, for example: midnight airflow dags list."""
    _run("airflow", "cli.airflow.command", arguments=arguments or [])


app.command()(azure_commands.synapse)
app.command()(azure_commands.wheel)
app.command("publish-wheel")(azure_commands.publish_wheel)
app.command("publish-power-bi")(azure_commands.publish_power_bi)

for _registered in app.registered_commands:
    _registered.short_help = (_registered.callback.__doc__ or "").removesuffix(".")  # whole in the list of commands
