"""`midnight doctor`: what is wrong with this setup, with a hint for each problem; nothing is changed."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.checks import airflow, alert_channels, configuration, engine, machine, masking, source
from cli.checks.finding import Check, Finding, run_checks
from cli.demo.start import DEMO_DESCRIPTION, demo_postgres
from cli.exit_codes import ExitCode
from cli.instance.connections import read_connections
from cli.instance.folder import Instance
from midnight.configuration.files import Configuration
from midnight.settings import REPOSITORY, Settings

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


def main(*, as_json: bool = False, send_test_alert: bool = False) -> int:
    """Run all checks of the profile, each with a time limit.

    Args:
        as_json: print one JSON document.
        send_test_alert: send one message through every channel of alerts, after the checks.

    Returns:
        0 when nothing failed; warnings are allowed.
    """
    console = Console(highlight=False, stderr=as_json)
    if not console.is_terminal:
        console = Console(highlight=False, stderr=as_json, width=100)
    findings = _find(console, send_test_alert=send_test_alert)
    if as_json:
        print(json.dumps({"findings": [_document(finding) for finding in findings]}, indent=1, ensure_ascii=False))
    else:
        print_findings(console, findings)
    return ExitCode.PROBLEM if any(finding.state == "fail" for finding in findings) else ExitCode.DONE


def _find(console: Console, *, send_test_alert: bool) -> list[Finding]:
    findings = [*machine.check_python(), *machine.check_packages(REPOSITORY / "requirements.txt")]
    settings, found = configuration.check_settings()
    findings += found
    if settings is None:
        return findings
    loaded, found = configuration.check_files(settings)
    checks = checks_of(settings, loaded)
    if loaded is not None and loaded.pipeline.alerts.channels:
        check = alert_channels.send_test_alert if send_test_alert else alert_channels.check_channels
        checks.append(Check("alerts", partial(_quietly, partial(check, settings, loaded.pipeline)), 55))
    if not console.is_terminal:
        return [*findings, *found, *run_checks(checks)]
    running = [check.name for check in checks]
    with console.status(f"checking {', '.join(running)}") as status:

        def show_running(ended: Check) -> None:
            running.remove(ended.name)
            status.update(f"checking {', '.join(running)}")

        return [*findings, *found, *run_checks(checks, show_running)]


def _document(finding: Finding) -> dict[str, str]:
    return {"name": finding.name, "state": finding.state, "found": finding.found, "hint": finding.hint}


def checks_of(settings: Settings, loaded: Configuration | None) -> list[Check]:
    """The checks of a profile; those that need the configuration are left out when it has errors."""
    instance = Instance(settings.home)
    result = [Check("folders", partial(machine.check_folders, settings))]
    if settings.profile == "azure":
        return [*result, Check("DAGs", airflow.import_dags, 55), *_azure_checks(settings, loaded)]
    running = airflow.running_services(instance, settings)
    services = {"airflow": running.get("api-server", False), "source": _demo_is_running(instance)}
    result += [
        Check("ports", partial(machine.check_ports, instance, services)),
        Check("Airflow", partial(airflow.check_services, instance, settings, running)),
        Check("DAGs", partial(airflow.check_dags, instance, settings, running), 55),
        Check("engine", partial(engine.check_engine, settings), 50),
        Check("serving", partial(engine.check_serving, settings)),
    ]
    if loaded is not None:
        result.append(Check("masking key", partial(masking.check_local_key, settings, loaded)))
        result.append(Check("source", partial(_check_local_source, instance, settings, loaded, services["source"]), 40))
    return result


def _demo_is_running(instance: Instance) -> bool:
    if not instance.exists:
        return False
    return demo_postgres(instance, instance.read_state().get("ports", {}).get("source", 0)).process() is not None


def _check_local_source(
    instance: Instance, settings: Settings, loaded: Configuration, demo_runs: bool
) -> Sequence[Finding]:
    name = loaded.pipeline.source.connection
    fields = read_connections(instance.connections).get(name)
    if fields is None and f"AIRFLOW_CONN_{name.upper()}" in os.environ:
        from cli.checks.azure_connections import WantedConnection, find_connections

        usable, found = find_connections([WantedConnection(name, "the source database")])
        if name not in usable:
            return found
        fields = source.fields_of(usable[name])
    if fields is None:
        hint = "make up starts the demo; make init SOURCE=postgresql://… configures your own database"
        return [Finding.warn("source", f"no connection {name!r} yet", hint)]
    if fields.get("description") == DEMO_DESCRIPTION and not demo_runs:
        return [Finding.warn("source", "the demo source is not running", "make up starts it")]
    lake = settings.lake or settings.home / "lake"
    return source.check_source(source.address_of(fields, name), loaded, lake)


def _quietly(check: Callable[[], list[Finding]]) -> list[Finding]:
    """Run a check that imports Airflow, whose log lines would stand between ours."""
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")
    return check()


def _azure_checks(settings: Settings, loaded: Configuration | None) -> list[Check]:
    """Connections first (and once): a service whose connection is missing is not checked."""
    return [Check("azure", partial(_check_azure, settings, loaded), 58)]


def _check_azure(settings: Settings, loaded: Configuration | None) -> list[Finding]:
    def check() -> list[Finding]:
        from cli.checks import azure_services

        return azure_services.check_azure(settings, loaded)

    return _quietly(check)


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """One line per finding, its hint below it, and the total."""
    grid = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in findings:
        mark = Text(*_MARKS[finding.state])
        grid.add_row(mark, Text(finding.name), Text(_printable(finding.found)))
        if finding.hint and finding.state != "ok":
            grid.add_row("", "", Text(f"→ {finding.hint}", "bold"))
    console.print(grid)
    failed = sum(finding.state == "fail" for finding in findings)
    warned = sum(finding.state == "warn" for finding in findings)
    if failed:
        console.print(Text(f"✗ {failed} of {len(findings)} failed", "red"))
    else:
        console.print(Text.assemble(("✓ ", "green"), f"nothing failed{f', {warned} need attention' if warned else ''}"))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
