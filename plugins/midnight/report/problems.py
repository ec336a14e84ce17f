"""Why a task failed, and what to do: its message, split for people."""

from __future__ import annotations

import re
from dataclasses import dataclass

from midnight import errors
from midnight.report.run_history import RunTask


@dataclass(frozen=True)
class Problem:
    """Why a task failed.

    Args:
        where: id of the task.
        cause: the first line of its message, without the class of the exception.
        details: the other lines.
        hint: what the message says to do; empty if it says nothing.
        attempt: ``try 1 of 3, Airflow tries again`` or ``try 3 of 3, will not retry``; empty if it is not known.
        log: address of the task's log.
        kind: of the error, if Midnight raised it and the message names it.
    """

    where: str
    cause: str = ""
    details: str = ""
    hint: str = ""
    attempt: str = ""
    log: str = ""
    kind: type[BaseException] | None = None


def explain(task: RunTask) -> Problem:
    """Split the message of a failed task into its cause and what to do."""
    message = task.message.strip()
    name, colon, rest = message.partition(": ")
    # Midnight's own messages are complete; another class of exception is a part of the cause.
    kind = getattr(errors, name, None) if colon and re.fullmatch(r"\w+", name) else None
    kind = kind if isinstance(kind, type) and issubclass(kind, errors.MidnightError) else None
    if kind is not None:
        message = rest
    first, _, others = message.partition("\n")
    first, _, hint = first.partition("; hint: ")
    if not hint:
        others, _, hint = others.partition("; hint: ")
        others, hint = (others, hint) if "\n" not in hint else (f"{others}; hint: {hint}", "")
    attempt = ""
    if task.attempt and task.attempts:
        then = "Airflow tries again" if task.waits_for_retry else "will not retry"
        attempt = f"try {task.attempt} of {max(task.attempt, task.attempts)}, {then}"
    return Problem(task.task_id, first, others.strip("\n"), as_text(hint), attempt, task.url, kind)


def as_text(text: str) -> str:
    """As prose: with a capital, unless it starts with a name, and a full stop."""
    text = text.strip().rstrip(":")
    if re.match(r"[a-z]+[ ,]", text):
        text = f"{text[0].upper()}{text[1:]}"
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
