"""An alert in the form of each kind of channel."""

from __future__ import annotations

import html
from typing import Any

from midnight.alerts.alert import Alert

_SYMBOLS = {
    "failed": "✗",
    "retrying": "▲",
    "late": "✗",
    "recovered": "✓",
    "quarantine": "▲",
    "warnings": "▲",
    "schema_changed": "▲",
    "anomaly": "▲",
    "source_log": "▲",
}


def subject(alert: Alert) -> str:
    """One line: the subject of an e-mail."""
    return " ".join(f"[Midnight] {_SYMBOLS[alert.event]} {alert.headline}".split())


def as_html(alert: Alert) -> str:
    """The body of an e-mail."""
    parts = [f"<p><strong>{html.escape(alert.headline)}</strong></p>"]
    parts += [f"<p>{html.escape(line)}</p>" for line in alert.cause.splitlines()]
    if alert.hint:
        parts.append(f"<p><strong>Do:</strong> {html.escape(alert.hint)}</p>")
    if alert.command:
        parts.append(f"<p>{_then(alert)}: <code>{html.escape(alert.command)}</code></p>")
    if alert.readers:
        parts.append(f"<p>{html.escape(alert.readers)}</p>")
    if alert.links:
        links = (f'<a href="{html.escape(url)}">{html.escape(label)}</a>' for label, url in alert.links.items())
        parts.append(f"<p>{' · '.join(links)}</p>")
    return "\n".join(parts)


def as_teams_card(alert: Alert) -> dict[str, Any]:
    """A message with an Adaptive Card, as a Teams workflow ("When a Teams webhook request is received") takes it.

    Source: "Create incoming webhooks with Workflows for Microsoft Teams", Microsoft Learn; schema 1.4 is the newest
    that all clients of Teams show. A text block interprets some Markdown, hence the escaping.
    """
    color = {"✗": "attention", "✓": "good", "▲": "warning"}[_SYMBOLS[alert.event]]
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": _markdown(f"{_SYMBOLS[alert.event]} {alert.headline}"),
            "weight": "bolder",
            "color": color,
            "wrap": True,
        }
    ]
    texts = [
        *alert.cause.splitlines(),
        f"Do: {alert.hint}" if alert.hint else "",
        f"{_then(alert)}: {alert.command}" if alert.command else "",
        alert.readers,
    ]
    body += [{"type": "TextBlock", "text": _markdown(text), "wrap": True} for text in texts if text]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": url} for label, url in alert.links.items()],
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def as_slack_message(alert: Alert) -> dict[str, Any]:
    """The payload of a Slack incoming webhook: a text for notifications, and blocks.

    Source: "Sending messages using incoming webhooks" and "Formatting message text", Slack API documentation: ``&``,
    ``<`` and ``>`` must be escaped; a section has at most 3000 characters.
    """
    title = f"*{_slack(f'{_SYMBOLS[alert.event]} {alert.headline}')}*"
    lines = [title, *(_slack(line) for line in alert.cause.splitlines())]
    if alert.hint:
        lines.append(f"*Do:* {_slack(alert.hint)}")
    if alert.command:
        lines.append(f"{_then(alert)}: `{_slack(alert.command)}`")
    if alert.readers:
        lines.append(_slack(alert.readers))
    if alert.links:
        lines.append(" · ".join(f"<{_slack(url)}|{_slack(label)}>" for label, url in alert.links.items()))
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)[:3000]}}
    return {"text": _slack(subject(alert)), "blocks": [section]}


def _then(alert: Alert) -> str:
    """What stands before the command."""
    return "Then" if alert.hint else "Next"


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown(text: str) -> str:
    for character in "\\_*[]":
        text = text.replace(character, f"\\{character}")
    return text
