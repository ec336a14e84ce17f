"""Small charts as SVG, made by the server: no script, no style attribute, legible in both themes and in print.

The colours are classes of ``page.css``. Every chart has a text with its content for a screen reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from statistics import median

from markupsafe import Markup, escape

from midnight.durations import describe_duration
from midnight.lake.ledger import LedgerEntry
from midnight.report.clock import Clock
from midnight.report.timeline import ShownRun, limit_offset

_SIGNS = {"published": "", "failed": "✗", "partial": "▲", "running": "●", "queued": "●", "nothing to do": "○"}
_COLUMN, _BAR_HEIGHT, _LINE_HEIGHT = 20, 34, 30
_HIGHEST = 4  # times the median: higher bars are cut, and say so
_FUNNEL = ("unchanged", "inserted", "updated", "duplicates", "dropped", "quarantined", "obsolete")


def sparkline(values: Sequence[float], label: str, *, of: str = "runs", width: int = 72, height: int = 18) -> Markup:
    """A line over the values, oldest first, with a dot at the last; empty with fewer than two.

    Args:
        values: of each run or day.
        label: what they are, for a screen reader.
        of: what each value is of.
        width: in pixels.
        height: in pixels.
    """
    shown = list(values)[-30:]
    if len(shown) < 2:
        return Markup("")
    low, high = min(shown), max(shown)
    span = high - low
    x = [2 + index * (width - 6) / (len(shown) - 1) for index in range(len(shown))]
    y = [height / 2 if not span else height - 3 - (value - low) / span * (height - 6) for value in shown]
    points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))
    text = f"{label}, {len(shown)} {of}: from {low:,.6g} to {high:,.6g}"
    return Markup(
        '<svg class="spark" width="{}" height="{}" role="img" aria-label="{}"><polyline points="{}"/>'
        '<circle cx="{:.0f}" cy="{:.1f}" r="2.2"/></svg>'
    ).format(width, height, text, points, x[-1], y[-1])


def run_strip(runs: Sequence[ShownRun], clock: Clock, publish_by: time | None) -> Markup:
    """One full bar per run in the colour of its result; below them when each was published, with the deadline.

    Args:
        runs: oldest first.
        clock: of the page.
        publish_by: the deadline; None without one.
    """
    width = _COLUMN * len(runs) + 4
    bars = Markup("").join(_strip_bar(run, index, clock) for index, run in enumerate(runs))
    line, height = _published_line(runs, clock, publish_by, width)
    counts = {result: sum(run.result == result for run in runs) for result in dict.fromkeys(run.result for run in runs)}
    label = f"The last {len(runs)} runs: " + ", ".join(f"{count} {result}" for result, count in counts.items())
    return Markup('<svg class="strip" viewBox="0 0 {} {}" width="{}" role="img" aria-label="{}">{}{}</svg>').format(
        width, _BAR_HEIGHT + height, width, label, bars, line
    )


def _strip_bar(run: ShownRun, index: int, clock: Clock) -> Markup:
    text = f"{clock.full(run.due)}: {run.result}"
    if run.published_at:
        text += f", at {clock.at(run.published_at)}"
    if run.seconds:
        text += f", {describe_duration(run.seconds)}"
    x = 2 + index * _COLUMN
    sign = Markup('<text x="{}" y="{}">{}</text>').format(x + _COLUMN // 2, _BAR_HEIGHT // 2 + 5, _SIGNS[run.result])
    return Markup('<g><title>{}</title><rect class="r-{}" x="{}" y="1" width="{}" height="{}" rx="2"/>{}</g>').format(
        text, run.result.replace(" ", "-"), x + 1, _COLUMN - 3, _BAR_HEIGHT - 2, sign if _SIGNS[run.result] else ""
    )


def _published_line(runs: Sequence[ShownRun], clock: Clock, publish_by: time | None, width: int) -> tuple[Markup, int]:
    """When scheduled runs were published, as the time since they were due; and its height in pixels."""
    delays = [
        (index, (run.published_at - run.due).total_seconds(), run)
        for index, run in enumerate(runs)
        if run.published_at and run.is_scheduled
    ]
    if not delays:
        return Markup(""), 0
    limit = limit_offset(clock.local(delays[-1][2].due), publish_by) if publish_by else None
    highest = max([delay for _, delay, _ in delays] + ([limit] if limit else [])) or 1
    top, bottom = _BAR_HEIGHT + 8, _BAR_HEIGHT + 8 + _LINE_HEIGHT

    def y(seconds: float) -> float:
        return bottom - 2 - min(seconds, highest) / highest * (_LINE_HEIGHT - 6)

    points = [(2 + index * _COLUMN + _COLUMN / 2, y(delay)) for index, delay, _ in delays]
    line = " ".join(f"{a:.0f},{b:.1f}" for a, b in points)
    dots = Markup("").join(
        Markup('<circle class="{}" cx="{:.0f}" cy="{:.1f}" r="{}"/>').format(
            "late" if limit and delay > limit else "", a, b, 3 if limit and delay > limit else 1.6
        )
        for (a, b), (_, delay, _) in zip(points, delays, strict=True)
    )
    limit_line = Markup("")
    if limit:
        limit_line = Markup('<line class="limit" x1="2" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
            width - 2, y(limit), y(limit)
        )
    return Markup('<g class="published">{}<polyline points="{}"/>{}</g>').format(
        limit_line, line, dots
    ), bottom - top + 10


def funnel(entry: LedgerEntry) -> Markup:
    """The rows of a batch as one bar, in parts by their outcome; empty without rows."""
    parts = [(name, getattr(entry, name)) for name in _FUNNEL if getattr(entry, name)]
    if not entry.rows_in or not parts:
        return Markup("")
    total, x, bars = sum(count for _, count in parts), 0.0, []
    for name, count in parts:
        width = max(3.0, count / total * 600)
        bars.append(
            Markup(
                '<rect class="f-{}" x="{:.1f}" y="0" width="{:.1f}" height="14"><title>{}: {}</title></rect>'
            ).format(name, x, max(width - 1, 2), name, f"{count:,}")
        )
        x += width
    label = f"{entry.rows_in:,} rows in: " + ", ".join(f"{count:,} {name}" for name, count in parts)
    return Markup(
        '<svg class="funnel" viewBox="0 0 {:.0f} 14" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(x, label, Markup("").join(bars))


def history_bars(runs: Sequence[ShownRun], clock: Clock) -> Markup:
    """Changed rows per run. A bar above four times the median is cut, so that a first load does not hide the rest."""
    shown = [(run, run.figures.changed) for run in runs if run.figures]
    if len(shown) < 2:
        return Markup("")
    usual = median([changed for _, changed in shown if changed] or [1])
    top = min(max(changed for _, changed in shown), usual * _HIGHEST) or 1
    bars = []
    for index, (run, changed) in enumerate(shown):
        height = max(1.0, min(changed, top) / top * 80)
        cut = Markup('<path class="cut" d="M{} 8h17l-17 5z"/>').format(3 + index * 24) if changed > top else ""
        bars.append(
            Markup(
                "<g><title>{}: {} changed rows</title>"
                '<rect class="h" x="{}" y="{:.1f}" width="17" height="{:.1f}"/>{}</g>'
            ).format(clock.full(run.due), f"{changed:,}", 3 + index * 24, 86 - height, height, cut)
        )
    width = max(24 * len(shown) + 4, 240)
    label = f"Changed rows of {len(shown)} runs, at most {max(changed for _, changed in shown):,}; usually {usual:,.0f}"
    return Markup('<svg class="history" viewBox="0 0 {} 90" width="{}" role="img" aria-label="{}">{}</svg>').format(
        width, width, escape(label), Markup("").join(bars)
    )
