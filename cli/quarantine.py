"""The commands `midnight quarantine …` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.exit_codes import run_module

app = typer.Typer(
    help="Show, explain and export the rows that checks keep out of silver.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_MODULE = "cli.commands.quarantine"
_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
_Table = Annotated[str, typer.Argument(metavar="TABLE", help="Name in silver, or in the source: public.airports.")]
_Rule = Annotated[
    str | None,
    typer.Argument(metavar="RULE", help="Name of the rule; default: all rules of the table.", show_default=False),
]


@app.command("list")
def list_rules(json: _Json = False) -> None:
    """Show each rule that rejects rows, with the rows, how many are new, since when, and the owner."""
    run_module("quarantine list", _MODULE, "list_rules", as_json=json)


@app.command()
def explain(table: _Table, rule: _Rule = None, json: _Json = False) -> None:
    """Show a table's rules in words, who fixes the rows and how, and examples; no value of a masked column."""
    run_module("quarantine explain", _MODULE, "explain", table=table, rule=rule, as_json=json)


@app.command()
def export(
    table: _Table,
    rule: _Rule = None,
    form: Annotated[Literal["csv", "json", "parquet"], typer.Option("--format", help="Form of the output.")] = "csv",
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to write; default: standard output.", show_default=False),
    ] = None,
) -> None:
    """Write every rejected row of a table's newest batch, with its rule, its reason and the source's columns."""
    run_module("quarantine export", _MODULE, "export", table=table, rule=rule, form=form, output=output)


for _registered in app.registered_commands:
    _registered.short_help = (_registered.callback.__doc__ or "").removesuffix(".")  # whole in the list of commands
