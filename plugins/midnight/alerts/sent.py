"""Which alerts were sent: one small file per open incident in the lake.

Of several tasks that fail at the same time exactly one sends the alert, since the file is created once.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from midnight.errors import LakeConflictError, LakeError
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths


@dataclass(frozen=True)
class OpenIncident:
    """An alert that was sent, until the next publication resolves it.

    Args:
        incident, event, headline: of the alert.
        sent_at: when.
    """

    incident: str
    event: str
    headline: str
    sent_at: datetime


def claim_incident(paths: LakePaths, files: LakeFiles, incident: OpenIncident) -> bool:
    """Record an incident; whether this caller is the first, who sends the alert.

    An unreachable lake does not suppress the alert: then the result is true.
    """
    document = {
        "incident": incident.incident,
        "event": incident.event,
        "headline": incident.headline,
        "sent_at": incident.sent_at.isoformat(),
        "claim": uuid.uuid4().hex,  # a file with the same content would count as written by this caller
    }
    try:
        files.write_new(_path(paths, incident.incident), json.dumps(document, indent=1))
    except LakeConflictError:
        return False
    except LakeError:
        return True
    return True


def open_incidents(paths: LakePaths, files: LakeFiles) -> list[OpenIncident]:
    """The incidents that no publication has resolved yet, oldest first.

    Raises:
        LakeError: the lake cannot be read.
    """
    found = []
    for name in files.list_names(paths.open_alerts):
        text = files.read_text(f"{paths.open_alerts}/{name}")
        if text is not None and name.endswith(".json"):
            document = json.loads(text)
            sent_at = datetime.fromisoformat(document["sent_at"])
            found.append(OpenIncident(document["incident"], document["event"], document["headline"], sent_at))
    return sorted(found, key=lambda incident: incident.sent_at)


def close_incidents(paths: LakePaths, files: LakeFiles, incidents: Sequence[OpenIncident]) -> None:
    """Delete the records of resolved incidents.

    Raises:
        LakeError: the lake cannot be written.
    """
    for incident in incidents:
        files.delete_file(_path(paths, incident.incident))


def _path(paths: LakePaths, incident: str) -> str:
    return paths.open_alert(hashlib.sha256(incident.encode()).hexdigest()[:24])
