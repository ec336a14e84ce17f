"""A finding, and the running of checks side by side, each with a time limit."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from midnight.errors import ConfigurationError, MidnightError

State = Literal["ok", "warn", "fail"]


# For everything that did not answer: nobody knows yet whether an identity or a right is wrong.
NETWORK_CURE = "check DNS, firewall, proxy and private endpoint"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        name: of the thing that was looked at.
        state: ``fail``: the pipeline does not run like this; ``warn``: it runs, but look at this.
        found: what is there; never a secret.
        cure: what to do, where there is something to do.
    """

    name: str
    state: State
    found: str
    cure: str = ""


def only_for(ingest: str, chosen: str, findings: Sequence[Finding], where: str = "") -> list[Finding]:
    """Failures become warnings when the chosen way of ingest does not need what was looked at.

    Args:
        ingest: the way that needs it.
        chosen: the way of the settings.
        findings: of the check.
        where: ends the explanation.
    """
    if ingest == chosen:
        return list(findings)
    note = f"(only runs with ingest_with={ingest} need it{where})"
    return [Finding(f.name, "warn", f"{f.found} {note}", f.cure) if f.state == "fail" else f for f in findings]


@dataclass(frozen=True)
class Check:
    """A check.

    Args:
        name: for its findings when it does not come to an end.
        run: gives the findings.
        seconds: time limit.
    """

    name: str
    run: Callable[[], Sequence[Finding]]
    seconds: float = 20


def run_checks(
    checks: Sequence[Check],
    on_end: Callable[[Check], None] = lambda check: None,
    deadline: float = math.inf,
) -> list[Finding]:
    """Run all checks at the same time.

    Args:
        checks: each runs in a thread of its own.
        on_end: called with each check as it ends.
        deadline: by ``time.monotonic``, for all of them; what has not ended by then is given up.

    Returns:
        The findings, in the order of the checks. A check that does not end in its time gives one that says so; its
        thread is left behind and ends with the process.
    """
    results: dict[int, list[Finding]] = {}
    ended: queue.Queue[tuple[int, list[Finding]]] = queue.Queue()
    started = time.monotonic()
    for number, check in enumerate(checks):
        threading.Thread(target=_run, args=(number, check, ended), daemon=True, name=f"check-{check.name}").start()
    while len(results) < len(checks):
        waiting = [(min(started + check.seconds, deadline), n) for n, check in enumerate(checks) if n not in results]
        patience, number = min(waiting)
        try:
            number, found = ended.get(timeout=max(0, patience - time.monotonic()))
        except queue.Empty:
            found = [_too_slow(checks[number], patience - started)]
        if number not in results:  # one that was given up may still come
            results[number] = found
            on_end(checks[number])
    return [finding for number in range(len(checks)) for finding in results[number]]


def _run(number: int, check: Check, ended: queue.Queue[tuple[int, list[Finding]]]) -> None:
    try:
        found = list(check.run())
    except ConfigurationError as error:
        found = [Finding(check.name, "fail", str(problem)) for problem in error.problems]
    except MidnightError as error:
        found = [Finding(check.name, "fail", str(error))]
    except Exception as error:  # noqa: BLE001 - a check that breaks must not hide what the others found
        found = [Finding(check.name, "fail", f"the check itself failed: {first_line(error)}", "report this as a bug")]
    ended.put((number, found))


def _too_slow(check: Check, seconds: float) -> Finding:
    return Finding(
        check.name,
        "fail",
        f"no answer within {max(0, seconds):.0f} s",
        "is a firewall or a proxy in between, or the machine busy?",
    )


def first_line(error: BaseException) -> str:
    """Type and first line of an exception's message, cut at 300 characters."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
