"""The masking key of the local profile, where a table has masked columns: it exists and is strong enough."""

from __future__ import annotations

import os

import yaml

from cli.checks.finding import Finding
from cli.instance.folder import Instance
from midnight.configuration.files import Configuration
from midnight.masking import GENERATE_KEY_COMMAND, KEY_VARIABLE, parse_key, uses_masking
from midnight.settings import Settings

_NAME = "masking key"


def check_local_key(settings: Settings, configuration: Configuration) -> list[Finding]:
    """The key of the instance; no finding where no column is masked."""
    if not uses_masking(configuration.tables):
        return []
    path = Instance(settings.home).variables
    given = os.environ.get(f"AIRFLOW_VAR_{KEY_VARIABLE.upper()}")
    if given is None and not path.exists():
        return [Finding.warn(_NAME, f"{path} does not exist yet", "make up creates it, with a key")]
    try:
        variables = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    except yaml.YAMLError:
        return [Finding.fail(_NAME, f"{path} is not valid YAML", "correct it")]  # the error would quote the key
    found = variables.get(KEY_VARIABLE) if isinstance(variables, dict) else None
    return [_check_key(found or given, f"{KEY_VARIABLE} in {path}")]


def _check_key(text: str | None, place: str) -> Finding:
    try:
        key = parse_key(None if text is None else str(text))
    except ValueError as error:
        return Finding.fail(_NAME, f"{place} {str(error).partition(';')[0]}", f"create one with {GENERATE_KEY_COMMAND}")
    return Finding.ok(_NAME, f"fingerprint {key.fingerprint}")
