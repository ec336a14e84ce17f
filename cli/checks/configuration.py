"""The variables and all files below ``include/``, with all problems at once."""

from __future__ import annotations

import os
from collections.abc import Mapping

from cli.checks.finding import Finding
from midnight.configuration.files import Configuration
from midnight.configuration_check.check import check_configuration
from midnight.configuration_check.report import CheckSection, counted
from midnight.errors import ConfigurationError
from midnight.settings import PREFIX, Settings, load_settings

_HINT = "correct the file; docs/configuration.md describes every field"


def check_settings(environment: Mapping[str, str] | None = None) -> tuple[Settings | None, list[Finding]]:
    """The settings, or None when a variable is wrong."""
    source = os.environ if environment is None else environment
    result = []
    # Variables of docker-compose.yaml and of `make up` are not fields of the settings.
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {
        f"{PREFIX}{name}" for name in ("AIRFLOW_PORT", "SOURCE_PORT", "INSTANCE_ID")
    }
    unknown = sorted(name for name in source if name.startswith(PREFIX) and name not in known)
    if unknown:
        result.append(Finding.warn("settings", f"{', '.join(unknown)}: no such variable", "see .env.example"))
    try:
        settings = load_settings(source)
    except ConfigurationError as error:
        return None, [*result, *(Finding.fail("settings", str(p), "see .env.example") for p in error.problems)]
    return settings, [*result, Finding.ok("settings", f"profile {settings.profile}, engine {settings.engine}")]


def check_files(settings: Settings) -> tuple[Configuration | None, list[Finding]]:
    """The result of `make check` as findings; and the configuration, or None when it has problems."""
    report = check_configuration(settings)
    findings = [finding for section in report.sections for finding in _findings(section)]
    files = report.run.files
    return None if files.problems else files.complete(), findings


def _findings(section: CheckSection) -> list[Finding]:
    found = [Finding.fail(section.name, str(problem), _HINT) for problem in section.problems]
    found += [Finding.warn(section.name, str(warning)) for warning in section.warnings]
    if not found and section.counts:
        return [Finding.ok(section.name, counted(section.counts))]
    return found
