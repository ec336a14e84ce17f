"""What an incident of docs/incidents.md told people, as `make prove-incidents` saw it; kept in tests/data."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from midnight.settings import REPOSITORY
from tests.support.alert_sinks import WebSink

RECORDS = REPOSITORY / "tests" / "data" / "incidents.json"
CHOSEN = "MIDNIGHT_PROVE_INCIDENTS"
# What differs from run to run -> what the record has in its place.
_VARYING = (
    (r"/[^\s';]*/(?=lake|home|include|mount)[a-z]+/", "…/"),
    (r"(127\.0\.0\.1(?::|', ))\d+", r"\g<1>54320"),
    (r"'?\d{4}-\d\d-\d\dT[\d:.]+(?:\+00:00|Z)'?", "'<logical date>'"),
    (r"\d{8}T\d{9}Z-[0-9a-f]{8}(?:-[0-9TZ]+)?", "<batch>"),
    (r"\d\d:\d\d:\d\d", "hh:mm:ss"),
    (r"\b\d\d:\d\d(?= [A-Z])", "hh:mm"),
    (r"\w{3} \d\d \w{3} \d{4}, (\d\d:\d\d|hh:mm)", "<date>, hh:mm"),
    (r"\d{4}-\d\d-\d\d (?=hh:mm)", "<date> "),
    (r"\((\d+ (?:min|h|days)) old\)", "(<age> old)"),
    (r"run manual__[\w:.+-]+", "run <run>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"[0-9a-f]{8}-0000-4000-8000-[0-9a-f]{12}", "<client id>"),
    (r"\bruns?/\d{4,}|\brun \d{4,}", "run <number>"),
)


@dataclass
class Record:
    """One incident.

    Args:
        alert: the document that the webhook got; its links are left out.
        seconds: from the start of the run (or the deadline) to the alert; None where no alert is sent.
        others: further texts: of the terminal, of the recovery.
    """

    alert: Mapping[str, Any]
    seconds: float | None
    others: dict[str, str] = field(default_factory=dict)


def keep(name: str, record: Record) -> None:
    """Write a record into the file of all, without what differs from run to run."""
    records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    texts = {
        key: steady(str(value)) for key, value in record.alert.items() if key not in ("links", "incident") and value
    }
    seconds = None if record.seconds is None else round(record.seconds)
    others = {key: steady(text) for key, text in record.others.items()}
    records[name] = {**texts, "seconds": seconds, **others}
    RECORDS.write_text(json.dumps(records, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    print(f"\n== {name}: {seconds} s")
    for key, text in {**texts, **others}.items():
        print(f"  {key}: {text}")


def steady(text: str) -> str:
    """A text without ports, times, ids and folders of one run."""
    for pattern, instead in _VARYING:
        text = re.sub(pattern, instead, text)
    return text


def wait_for_alert(sink: WebSink, event: str, after: int = 0, *, seconds: float = 240) -> dict[str, Any]:
    """The first alert of an event among those posted after the first ``after`` ones."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for _, document in sink.posts[after:]:
            if document["event"] == event:
                return document
        time.sleep(0.1)
    raise AssertionError(f"no alert {event!r}: {[document for _, document in sink.posts[after:]]}")
