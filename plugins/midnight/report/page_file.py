"""The page as a file and as an HTTP response.

Its text is written once per run. The status section on top can be replaced later by a newer one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup

from midnight.atomic_file import write_atomically
from midnight.errors import ServingError
from midnight.report.run_history import PipelineRun, RunHistory
from midnight.report.templates import content_security_policy, render, script

# Data cannot contain these markers: the templates escape "<".
_BEGIN, _END = "<!--status-->", "<!--/status-->"


def status_section(history: RunHistory, now: datetime, *, from_airflow: bool = True) -> str:
    """Render the status section, the top of the page, as HTML.

    Args:
        history: the state of the pipeline's DAG.
        now: the current time.
        from_airflow: whether ``history`` was read from Airflow's database; otherwise it holds only one failed run.
    """
    late = history.is_overdue(now)
    return render("status.html.j2", history=history, now=now, from_airflow=from_airflow, late=late)


def replace_status_section(page: str, section: str) -> str:
    """Return the page with another status section; a page without markers gets it as the first element of main."""
    begin, end = page.find(_BEGIN), page.find(_END)
    if 0 <= begin < end:
        return f"{page[:begin]}{_BEGIN}\n{section}{page[end:]}"
    head, main, rest = page.partition("<main>")
    return f"{head}{main}\n{section}{rest}" if main else page


def mark_failed(page: Path, run: PipelineRun, now: datetime | None = None) -> bool:
    """Show on an existing page that a later run failed. The next successful run writes a new page.

    Args:
        page: the file; nothing happens when it does not exist yet.
        run: the run, with the task that failed.
        now: the current time.

    Returns:
        Whether there is a page.

    Raises:
        ServingError: the page cannot be written.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    section = status_section(RunHistory((run,)), now or datetime.now(UTC), from_airflow=False)
    write_page(page, replace_status_section(text, section))
    return True


def note_page(title: str, text: str, section: str = "") -> tuple[str, str]:
    """Return a page in place of the report, and its content security policy.

    Args:
        title: of the note.
        text: of the note, as trusted HTML.
        section: of ``status_section``.
    """
    scripts = [script("page.js")]
    policy = content_security_policy(scripts)
    page = render(
        "note.html.j2",
        policy=policy,
        title=title,
        text=Markup(text),  # noqa: S704 - a constant text
        section=Markup(section),  # noqa: S704 - rendered and escaped by status_section
        scripts=[Markup(part) for part in scripts],  # noqa: S704 - our own file
    )
    return page, policy


def write_page(page: Path, text: str) -> None:
    """Replace the page atomically; only its owner may read it (0600, the mode of mkstemp).

    Raises:
        ServingError: the page cannot be written.
    """
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, text)
    except OSError as error:
        raise ServingError(
            f"{page} cannot be written: {error}; hint: check the free space and the permissions of its folder"
        ) from error
