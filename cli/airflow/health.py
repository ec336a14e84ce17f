"""The health of Airflow's components.

It follows from the heartbeats that Airflow's health endpoint reports: a scheduler whose loop has ended, for example on
a full disk, still has a process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import httpx

if TYPE_CHECKING:
    from cli.airflow.services import AirflowServices

# Airflow calls a component unhealthy after 30 s. A busy machine, or SQLite's lock, can delay a heartbeat for longer.
STALLED_AFTER_SECONDS = 90
_REQUEST_SECONDS = 5
_REQUESTS = 3
# Airflow's command -> its name in the answer of the health endpoint.
_PARTS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}

State = Literal["healthy", "starting", "stalled", "stopped", "unknown"]


@dataclass(frozen=True)
class ComponentHealth:
    """One component of Airflow.

    Args:
        name: Airflow's command, for example ``scheduler``.
        state: ``stalled`` has a process, but no heartbeat for ``STALLED_AFTER_SECONDS`` (the API server: no answer);
            ``starting`` is younger than that; ``unknown`` while the API server, which has the heartbeats, is silent.
        pid: of its process; None without one.
        silent_seconds: since its last heartbeat; None where it is not known.
    """

    name: str
    state: State
    pid: int | None = None
    silent_seconds: float | None = None

    def __str__(self) -> str:
        if self.state == "stopped":
            return f"{self.name} is not running"
        if self.state == "stalled" and self.name == "api-server":
            return f"{self.name} (process {self.pid}) does not answer"
        if self.state == "stalled":
            since = f"for {self.silent_seconds:.0f} s" if self.silent_seconds is not None else "since its start"
            return f"{self.name} (process {self.pid}) has sent no heartbeat {since}"
        return f"{self.name} is {self.state}"


def request_health(url: str) -> dict[str, Any]:
    """The answer of Airflow's health endpoint; empty when there is none (one request, at most 5 s).

    Args:
        url: of the API server.
    """
    with httpx.Client(trust_env=False, timeout=_REQUEST_SECONDS) as client:
        try:
            answer = client.get(f"{url}/api/v2/monitor/health").json()
        except (httpx.TransportError, ValueError):
            return {}
    return answer if isinstance(answer, dict) else {}


def component_health(services: AirflowServices) -> dict[str, ComponentHealth]:
    """The health of every component that the profile needs, by name.

    Takes 15 s at most, which it needs only when the API server has a process and does not answer.
    """
    records = services.records()
    processes = {name: record.find() if (record := records.get(name)) else None for name in services.names}
    answer: dict[str, Any] = {}
    if processes.get("api-server") is not None:
        answer = next((health for _ in range(_REQUESTS) if (health := request_health(services.url))), {})
    return {
        name: _health_of(name, process.pid, time.time() - records[name].created, answer)
        if process is not None
        else ComponentHealth(name, "stopped")
        for name, process in processes.items()
    }


def _health_of(name: str, pid: int, age_seconds: float, answer: Mapping[str, Any]) -> ComponentHealth:
    young = age_seconds < STALLED_AFTER_SECONDS
    if name == "api-server":
        return ComponentHealth(name, "healthy" if answer else "starting" if young else "stalled", pid)
    if not answer:
        return ComponentHealth(name, "unknown", pid)
    part = answer.get(_PARTS[name]) or {}
    heartbeat = part.get(f"latest_{_PARTS[name]}_heartbeat")
    silent = (datetime.now(UTC) - datetime.fromisoformat(heartbeat)).total_seconds() if heartbeat else None
    if part.get("status") == "healthy" or (silent is not None and silent < STALLED_AFTER_SECONDS):
        return ComponentHealth(name, "healthy", pid, silent)
    return ComponentHealth(name, "starting" if young else "stalled", pid, silent)


def wait_for_stalled(
    services: AirflowServices, log: Callable[[str], None], *, wait_seconds: float = 15
) -> list[ComponentHealth]:
    """The components that have stalled and do not recover; after a suspend of the machine they need a moment.

    Args:
        services: whose components.
        log: gets a line while it waits.
        wait_seconds: how long a stalled component may take to send a heartbeat.
    """
    deadline = time.monotonic() + wait_seconds
    waited = False
    while True:
        stalled = [health for health in component_health(services).values() if health.state == "stalled"]
        if stalled and not waited:
            log(f"{', '.join(map(str, stalled))}: waiting {wait_seconds:.0f} s for it")
            waited = True
        if not stalled or time.monotonic() > deadline:
            return stalled
        time.sleep(1)
