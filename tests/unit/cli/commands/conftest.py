"""What the tests of ``make doctor`` share."""

from __future__ import annotations

from cli.checks.finding import Finding

AZURE = {
    "MIDNIGHT_PROFILE": "azure",
    "MIDNIGHT_STORAGE_ACCOUNT": "account",
    "MIDNIGHT_DATABRICKS_JOB_ID": "7",
    "MIDNIGHT_ADF_FACTORY": "factory",
    "MIDNIGHT_ADF_RESOURCE_GROUP": "group",
    "MIDNIGHT_POWERBI_DATASET_ID": "dataset",
    "MIDNIGHT_POWERBI_GROUP_ID": "workspace",
}


def states(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.name, finding.state) for finding in findings]
