"""The page as a file and as an answer: its text is made once a night, what stands on top of it may be newer."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup

from midnight.errors import ServingError
from midnight.report.run_history import PipelineRun, RunHistory
from midnight.report.templates import content_security_policy, render, script

# Nothing from a database can look like these: the templates escape "<".
_BEGIN, _END = "<!--nights-->", "<!--/nights-->"


def status_section(nights: RunHistory, now: datetime, *, knows_all: bool = True) -> str:
    """What stands on top of the page, as HTML.

    Args:
        nights: the state of the nightly DAG.
        now: the present.
        knows_all: whether ``nights`` comes from Airflow's database; else it has nothing but a run that failed.
    """
    return render("status.html.j2", nights=nights, now=now, knows_all=knows_all, late=nights.is_overdue(now))


def replace_status_section(page: str, section: str) -> str:
    """The page with another section on top; one of an older Midnight gets it before everything else."""
    begin, end = page.find(_BEGIN), page.find(_END)
    if 0 <= begin < end:
        return f"{page[:begin]}{_BEGIN}\n{section}{page[end:]}"
    head, main, rest = page.partition("<main>")
    return f"{head}{main}\n{section}{rest}" if main else page


def mark_failed(page: Path, run: PipelineRun, now: datetime | None = None) -> bool:
    """Say on the page that a night failed after it was written. The next good night writes a new one.

    Args:
        page: the file; nothing happens when there is none yet.
        run: the run, with the task that failed.
        now: the present.

    Returns:
        Whether there is a page.

    Raises:
        ServingError: it cannot be written.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    section = status_section(RunHistory((run,)), now or datetime.now(UTC), knows_all=False)
    write_page(page, replace_status_section(text, section))
    return True


def note_page(title: str, text: str, section: str = "") -> tuple[str, str]:
    """A page in place of the report, and its content security policy.

    Args:
        title: what there is to know.
        text: more about it, in trusted HTML.
        section: of ``status_section``.
    """
    scripts = [script("page.js")]
    policy = content_security_policy(scripts)
    page = render(
        "note.html.j2",
        policy=policy,
        title=title,
        text=Markup(text),  # noqa: S704 - our own words
        section=Markup(section),  # noqa: S704 - rendered and escaped by status_section
        scripts=[Markup(part) for part in scripts],  # noqa: S704 - our own file
    )
    return page, policy


def write_page(page: Path, text: str) -> None:
    """Write the page for its owner alone (0600, as mkstemp makes it); a reader sees the old one or the new one.

    Raises:
        ServingError: it cannot be written.
    """
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=page.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            Path(temporary).replace(page)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ServingError(
            f"{page} cannot be written: {error}; check free space and permission of its folder"
        ) from error
