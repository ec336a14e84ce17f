"""``python -m cli <command>``: what the Makefile calls."""

from __future__ import annotations

import errno
import importlib
import subprocess
import sys
import traceback

from dotenv import load_dotenv

from midnight.errors import MidnightError
from midnight.settings import REPOSITORY

# command: module, function, what it does
COMMANDS = {
    "up": ("cli.commands.up", "main", "start everything and run the pipeline"),
    "night": ("cli.commands.up", "main_night", "let one more day happen in the demo source and run the pipeline"),
    "status": ("cli.commands.status", "main_status", "services, last runs, last ledger, disk use"),
    "down": ("cli.commands.status", "main_down", "end all processes; the data stays"),
    "reset": ("cli.commands.status", "main_reset", "down, and remove the instance with its data"),
    "airflow": ("cli.airflow.command", "main", "Airflow's command line for this instance"),
    "init": ("cli.commands.init", "main", "write the configuration for a database (variable SOURCE)"),
    "synapse": ("cli.commands.synapse", "main", "set up Synapse serverless SQL (docs/azure.md)"),
    "publish-power-bi": (
        "cli.commands.publish_power_bi",
        "main",
        "publish the Power BI model and report",
    ),
    "doctor": ("cli.commands.doctor", "main", "say what is wrong with the setup"),
    "check": ("cli.commands.check", "main", "every problem of every configuration file"),
    "build": ("cli.commands.build", "main", "build gold from the silver that is there; nothing is published"),
    "publish": ("cli.commands.publish", "main", "check, and point the local views at the newest build"),
    "query": ("cli.commands.query", "main", "ask the local views (variable SQL)"),
}


def main(arguments: list[str]) -> int:
    """Run one command; errors that a person can act on are a message, not a traceback.

    Returns:
        0 done, 1 something that the user can correct, 2 a wrong command line, 3 a defect of Midnight, 130 interrupted.
    """
    load_dotenv(REPOSITORY / ".env", override=False)
    if not arguments or arguments[0] not in COMMANDS:
        print("usage: python -m cli <command>\n" + "\n".join(f"  {n:16} {c[2]}" for n, c in COMMANDS.items()))
        return 2
    module, function, _ = COMMANDS[arguments[0]]
    try:
        return int(getattr(importlib.import_module(module), function)(arguments[1:]))
    except KeyboardInterrupt:
        print("stopped by you; `make status` shows what runs", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 - the last handler of the process
        explained = _explain(error)
        if explained is None:
            traceback.print_exc()
            explained = f"`{arguments[0]}` failed because of a defect of Midnight; hint: report the lines above"
            code = 3
        else:
            code = 1
        print(f"✗ {explained}", file=sys.stderr)
        return code


def _explain(error: Exception) -> str | None:
    """What a person can do about an error; None for a defect."""
    if isinstance(error, MidnightError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f" while {error.filename} was written" if error.filename else ""
        return f"the disk is full{place}; hint: free some space (`df -h`), then run the command again"
    if isinstance(error, subprocess.TimeoutExpired):
        program = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd[:3]))
        return f"`{program}` was not finished after {error.timeout:.0f} s"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
