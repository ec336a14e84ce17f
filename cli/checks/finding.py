"""Findings, and the parallel run of checks, each with a time limit."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from midnight.errors import ConfigurationError, Diagnosis, MidnightError, first_line

State = Literal["ok", "warn", "fail"]


# For everything that did not answer: an identity or a permission may be wrong as well, which only an answer shows.
NETWORK_HINT = "check DNS, firewall, proxy and private endpoint"


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Args:
        name: of the thing that was checked.
        state: ``fail``: the pipeline does not run like this; ``warn``: it runs, but needs attention.
        diagnosis: what was found, and the hint.
    """

    name: str
    state: State
    diagnosis: Diagnosis

    @classmethod
    def ok(cls, name: str, found: str) -> Finding:
        """Nothing to do."""
        return cls(name, "ok", Diagnosis(found))

    @classmethod
    def warn(cls, name: str, found: str, hint: str = "") -> Finding:
        """The pipeline runs, but this needs attention."""
        return cls(name, "warn", Diagnosis(found, hint))

    @classmethod
    def fail(cls, name: str, found: str, hint: str = "") -> Finding:
        """The pipeline does not run like this."""
        return cls(name, "fail", Diagnosis(found, hint))

    @classmethod
    def of_error(cls, name: str, error: MidnightError) -> Finding:
        """A failure with the diagnosis of an error."""
        return cls(name, "fail", error.diagnosis)

    @property
    def found(self) -> str:
        """What was found; never a secret."""
        return self.diagnosis.found

    @property
    def hint(self) -> str:
        """The action that fixes it; empty where there is none."""
        return self.diagnosis.hint


def only_for(ingest: str, chosen: str, findings: Sequence[Finding], where: str = "") -> list[Finding]:
    """The findings of a check, with warnings instead of failures where the configured ingest does not need it.

    Args:
        ingest: the value of ingest_with that needs what was checked.
        chosen: the configured value.
        findings: of the check.
        where: added to the end of the explanation.
    """
    if ingest == chosen:
        return list(findings)
    note = f"(only runs with ingest_with={ingest} need it{where})"
    return [Finding.warn(f.name, f"{f.found} {note}", f.hint) if f.state == "fail" else f for f in findings]


@dataclass(frozen=True)
class Check:
    """A check.

    Args:
        name: for the finding when it exceeds its time limit.
        run: returns the findings.
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
        deadline: by ``time.monotonic``, for all of them; a check that has not ended by then fails.

    Returns:
        The findings, in the order of the checks. A check that exceeds its time limit fails; its thread is abandoned
        and ends with the process.
    """
    results: dict[int, list[Finding]] = {}
    ended: queue.Queue[tuple[int, list[Finding]]] = queue.Queue()
    started = time.monotonic()
    for number, check in enumerate(checks):
        threading.Thread(target=_run, args=(number, check, ended), daemon=True, name=f"check-{check.name}").start()
    while len(results) < len(checks):
        waiting = [(min(started + check.seconds, deadline), n) for n, check in enumerate(checks) if n not in results]
        expires, number = min(waiting)
        try:
            number, found = ended.get(timeout=max(0, expires - time.monotonic()))
        except queue.Empty:
            found = [_too_slow(checks[number], expires - started)]
        if number not in results:  # a check that exceeded its limit may still end
            results[number] = found
            on_end(checks[number])
    return [finding for number in range(len(checks)) for finding in results[number]]


def _run(number: int, check: Check, ended: queue.Queue[tuple[int, list[Finding]]]) -> None:
    try:
        found = list(check.run())
    except ConfigurationError as error:
        found = [Finding(check.name, "fail", Diagnosis.parse(str(problem))) for problem in error.problems]
    except MidnightError as error:
        found = [Finding.of_error(check.name, error)]
    except Exception as error:  # noqa: BLE001 - a check that breaks must not hide what the others found
        text = f"the check itself failed: {type(error).__name__}: {first_line(error)}"
        found = [Finding.fail(check.name, text, "report this as a bug")]
    ended.put((number, found))


def _too_slow(check: Check, seconds: float) -> Finding:
    return Finding.fail(
        check.name,
        f"no answer within {max(0, seconds):.0f} s",
        "is a firewall or a proxy in between, or the machine busy?",
    )
