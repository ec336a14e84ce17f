"""An identity that Entra ID refuses, told once: several connections usually have the same application and secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cli.checks.finding import Finding
from midnight.sign_in import refused_secret


def tell_once(findings: Sequence[Finding], logins: Mapping[str, tuple[str, str]]) -> list[Finding]:
    """The findings, with one in the place of those that are about the same secret of the same application.

    Args:
        findings: of the services.
        logins: name of a finding -> id of the connection that it is about, and the connection's client id.
    """
    groups: dict[tuple[str, str, str], list[Finding]] = {}
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


def _refused_sign_in(finding: Finding, logins: Mapping[str, tuple[str, str]]) -> tuple[str, str, str] | None:
    """Code, problem and client id, if the finding is that Entra ID refuses the secret of a connection."""
    refused = refused_secret(finding.found)
    if finding.state == "ok" or refused is None or finding.name not in logins:
        return None
    return *refused, logins[finding.name][1]


def _merged(
    code: str, problem: str, client: str, group: Sequence[Finding], logins: Mapping[str, tuple[str, str]]
) -> Finding:
    affected = ", ".join(finding.name for finding in group)
    connections = ", ".join(sorted({logins[finding.name][0] for finding in group}))
    found = f"the client secret of the application {client!r} {problem} ({code}); affected: {affected}"
    hint = (
        f"create a new one (az ad app credential reset --id {client} --append), and store it as the password of "
        f"{connections} (docs/runbook.md)"
    )
    state = "fail" if any(finding.state == "fail" for finding in group) else "warn"
    return (Finding.fail if state == "fail" else Finding.warn)("sign-in", found, hint)
