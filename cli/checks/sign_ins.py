"""An identity that Entra ID refuses, told once: several connections usually have the same application and secret."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cli.checks.finding import Finding

_CODE = re.compile(r"\b(AADSTS\d+)\b")
# Codes of Entra ID ("Microsoft Entra authentication and authorization error codes", Microsoft Learn).
_SECRET_PROBLEMS = {"AADSTS7000222": "has expired", "AADSTS7000215": "is wrong"}


def tell_once(findings: Sequence[Finding], logins: Mapping[str, tuple[str, str]]) -> list[Finding]:
    """The findings, with one in the place of those that are about the same secret of the same application.

    Args:
        findings: of the services.
        logins: name of a finding -> id of the connection that it is about, and the connection's client id.
    """
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if key := _refused_sign_in(finding, logins):
            groups.setdefault(key, []).append(finding)
    result: list[Finding] = []
    for finding in findings:
        key = _refused_sign_in(finding, logins)
        group = groups.get(key, []) if key else []
        if len(group) < 2:
            result.append(finding)
        elif finding is group[0] and key:
            result.append(_merged(*key, group, logins))
    return result


def _refused_sign_in(finding: Finding, logins: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """Code and client id, if the finding is that Entra ID refuses the secret of a connection."""
    code = _CODE.search(finding.found)
    if finding.state == "ok" or code is None or code[1] not in _SECRET_PROBLEMS or finding.name not in logins:
        return None
    return code[1], logins[finding.name][1]


def _merged(code: str, client: str, group: Sequence[Finding], logins: Mapping[str, tuple[str, str]]) -> Finding:
    affected = ", ".join(finding.name for finding in group)
    connections = ", ".join(sorted({logins[finding.name][0] for finding in group}))
    found = f"the client secret of the application {client!r} {_SECRET_PROBLEMS[code]} ({code}); affected: {affected}"
    hint = (
        f"create a new one (az ad app credential reset --id {client} --append), and store it as the password of "
        f"{connections} (docs/runbook.md)"
    )
    state = "fail" if any(finding.state == "fail" for finding in group) else "warn"
    return (Finding.fail if state == "fail" else Finding.warn)("sign-in", found, hint)
