"""``docs/commands.md``, made from the command `midnight` itself, so that it is always current."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cli.exit_codes import MEANINGS
from cli.main import app

_HEAD = """# Commands

<!-- made from cli/main.py by python -m tools.generated_files; do not edit -->

After this page you can start, run, inspect and stop Midnight on one machine, also in a script.

`make X` in the repository calls `midnight X`, and installs what is missing first.
The install writes the command itself to `.venv/bin/midnight`.
It works from any folder, and a relative path among its arguments belongs to the current folder.
To call it as `midnight`, link it into a folder of your `PATH`, and let it complete its arguments:

```
ln -s "$PWD/.venv/bin/midnight" ~/.local/bin/midnight
midnight --install-completion
```

A variable in the lists below sets the same value: `make query SQL="SELECT …" FORMAT=csv`.
An option on the command line wins over its variable.
The file `.env` in the repository sets variables for every command (`.env.example` lists them).

## Exit codes

| code | meaning |
|---|---|
"""
_JSON = """
`make` itself ends with 2 whenever a command fails: call `midnight` where the code matters.

With `--json` standard output is one JSON document, and progress and messages go to standard error.
"""
_WIDTH = 100


def commands_page(root: Path) -> dict[str, str]:
    """The page as path -> text; it does not depend on the files of ``root``."""
    del root
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())
    group: Any = typer.main.get_command(app)
    sections = [_section(name, command) for name, command in all_commands(group)]
    return {"docs/commands.md": _HEAD + codes + _JSON + "".join(sections)}


def all_commands(group: Any) -> Iterator[tuple[str, Any]]:
    """Every command with its name, such as ``quarantine list``."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {below}", one) for below, one in all_commands(command))
        else:
            yield name, command


def _section(name: str, command: Any) -> str:
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    usage = [f"midnight {name}", *(f"[{_metavar(p)}]" if not p.required else _metavar(p) for p in arguments)]
    if len(arguments) < len(parameters):
        usage.append("[OPTIONS]")
    lines = [f"\n## {name}\n", textwrap.fill(str(command.help), _WIDTH), f"\n```\n{' '.join(usage)}\n```\n"]
    items = [_item(parameter) for parameter in parameters]
    return "\n".join([*lines, *items, ""] if items else lines)


def _item(parameter: Any) -> str:
    name = _metavar(parameter)
    if parameter.param_type_name == "option":
        name = parameter.opts[0] if parameter.is_flag else f"{parameter.opts[0]} {_metavar(parameter)}"
    facts = [f"variable `{parameter.envvar}`"] if parameter.envvar else []
    if parameter.required:
        facts.append("required")
    elif parameter.default not in (None, False, ""):
        facts.append(f"default `{parameter.default}`")
    note = f" ({', '.join(facts)})" if facts else ""
    text = f"- `{name}`{note}: {_escaped(parameter.help)}"
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _metavar(parameter: Any) -> str:
    choices = parameter.type_descriptor.choices
    if parameter.type_descriptor.is_choice and choices:
        return "|".join(map(str, choices))
    if parameter.metavar:
        return str(parameter.metavar)
    return str(parameter.name).upper().replace("_", "-")


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")
