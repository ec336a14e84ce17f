"""The result of the check, by kind of file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from midnight.errors import ConfigurationProblem
from midnight.run.run_configuration import RunFiles
from midnight.silver_to_gold.refresh.derive import refresh_plans
from midnight.silver_to_gold.refresh.plan import RefreshPlan


@dataclass(frozen=True)
class CheckSection:
    """The result for one kind of file.

    Args:
        name: the kind, for example ``gold models``.
        counts: number of checked objects by their plural name.
        problems: reasons why a run would fail, by file and line.
        warnings: problems that do not fail a run.
    """

    name: str
    counts: Mapping[str, int]
    problems: tuple[ConfigurationProblem, ...] = ()
    warnings: tuple[ConfigurationProblem, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """The result for all kinds, in the order of a row's path.

    Args:
        sections: one per kind of file.
        run: the valid files that the Spark jobs depend on.
    """

    sections: tuple[CheckSection, ...]
    run: RunFiles

    @property
    def problems(self) -> tuple[ConfigurationProblem, ...]:
        """All of them, grouped by file and in the order of its lines."""
        return tuple(problem for section in self.sections for problem in section.problems)

    @property
    def warnings(self) -> tuple[ConfigurationProblem, ...]:
        return tuple(warning for section in self.sections for warning in section.warnings)

    @property
    def counts(self) -> dict[str, int]:
        """Number of checked objects by their plural name."""
        return {name: count for section in self.sections for name, count in section.counts.items()}

    @property
    def refreshes(self) -> dict[str, RefreshPlan]:
        """Gold model -> how it is refreshed; empty while a file that the Spark jobs depend on has problems."""
        return {} if self.run.problems else refresh_plans(self.run.sql.models, self.run.sql.tables)


def section(
    name: str,
    counts: Mapping[str, int],
    problems: Iterable[ConfigurationProblem],
    warnings: Iterable[ConfigurationProblem] = (),
) -> CheckSection:
    """A section with its distinct problems, ordered by file and line."""
    return CheckSection(name, counts, _in_file_order(problems), _in_file_order(warnings))


def _in_file_order(problems: Iterable[ConfigurationProblem]) -> tuple[ConfigurationProblem, ...]:
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: (problem.where, problem.line or 0)))


def counted(counts: Mapping[str, int]) -> str:
    """``5 tables, 1 gold model``; the names are plurals that end in s."""
    return ", ".join(f"{count:,} {name if count != 1 else name.removesuffix('s')}" for name, count in counts.items())
