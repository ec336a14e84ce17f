"""A table while it is read, and one range of it on its way into one Parquet file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyarrow import parquet  # no DAG file imports this module

from midnight.bronze.manifest import BronzeFile
from midnight.configuration.cursors import CursorExtremes
from midnight.errors import SourceError
from midnight.lake.files import LakeFiles
from midnight.postgres_to_bronze.copy_parser import CopyParser
from midnight.postgres_to_bronze.parquet_writer import PartWriter
from midnight.postgres_to_bronze.replaced_values import ReplacedValues
from midnight.postgres_to_bronze.resume import TableResume
from midnight.postgres_to_bronze.table_plan import TablePlan


class TableProgress:
    """A table while it is read.

    Args:
        plan: how it is read.
        clock: of the server, when the snapshot was taken.
        resume: what an earlier try has read, and the record of this one; None for a table with one range.

    Attributes:
        parser: of its rows.
        extremes: smallest and largest cursor of the rows so far.
        open_ranges: number of ranges that are not finished.
        files: by the number of their range.
        started, seconds: monotonic clock when the first range began, and how long it took until the last one ended.
    """

    def __init__(self, plan: TablePlan, clock: datetime, resume: TableResume | None = None) -> None:
        self.plan, self.clock = plan, clock
        self.parser = CopyParser(plan.table.qualified_name, plan.columns)
        self.extremes = self.new_extremes()
        self.resume = resume
        self.open_ranges = len(plan.ranges)
        self.files: dict[int, BronzeFile] = {}
        self.started = self.seconds = 0.0

    def new_extremes(self) -> CursorExtremes:
        """Of one range, which may have to be read again."""
        return CursorExtremes(self.cursor, self.plan.table.cursor_kind, self.clock)

    @property
    def cursor(self) -> str | None:
        """The cursor's column; None where the rows have none."""
        return self.plan.table.cursor_name if self.plan.content == "rows" else None

    @property
    def name(self) -> str:
        return self.plan.table.qualified_name

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files.values())

    @property
    def ordered_files(self) -> tuple[BronzeFile, ...]:
        """The files, by the number of their range."""
        return tuple(self.files[number] for number in sorted(self.files))

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())

    def message(self) -> str:
        """What has been read so far, as one line for the log."""
        total = len(self.plan.ranges)
        count = f" (part {len(self.files)} of {total})" if total > 1 else ""
        return (
            f"{self.name}: {self.rows:,} {self.plan.content}, {self.bytes / 1e6:,.1f} MB, {self.seconds:.1f} s{count}"
        )


@dataclass(frozen=True)
class Range:
    """The rows of one file; ``condition`` as in ``TablePlan.ranges``."""

    progress: TableProgress
    number: int
    condition: str

    @property
    def query(self) -> str:
        """The SELECT inside the COPY."""
        return self.progress.plan.query(self.condition)

    def read_extremes(self, lake: LakeFiles, path: str) -> None:
        """Add the cursor values of a file of an earlier try."""
        column = self.progress.cursor
        if column is not None:
            with lake.open_input(path) as stream:
                for rows in parquet.ParquetFile(stream).iter_batches(columns=[column]):
                    self.progress.extremes.add(rows)

    def add(self, file: BronzeFile) -> None:
        """Add the file of an earlier try to the table."""
        progress = self.progress
        progress.started = progress.started or time.monotonic()
        progress.open_ranges -= 1
        progress.files[self.number] = file
        progress.seconds = time.monotonic() - progress.started


def largest_first(tables: Sequence[TableProgress]) -> list[Range]:
    """Ranges of the largest tables first, so that no connection is left with a large one at the end."""
    by_size = sorted(tables, key=lambda p: sum(leaf.pages for leaf in p.plan.catalogue.leaves), reverse=True)
    return [Range(p, number, condition) for p in by_size for number, condition in enumerate(p.plan.ranges)]


class RangeCopy:
    """Writes the blocks of one range into one file.

    Args:
        part: the range.
        writer: of its file.
    """

    def __init__(self, part: Range, writer: PartWriter) -> None:
        self.part, self.writer = part, writer
        self._extremes, self._replaced = part.progress.new_extremes(), ReplacedValues()
        self._rows = 0
        part.progress.started = part.progress.started or time.monotonic()

    def write_block(self, block: memoryview) -> None:
        """Parse a block of whole lines and write its rows. Runs in the worker thread, one block after the other.

        Raises:
            ValueNotRepresentableError: a value does not fit its column exactly.
            LakeError: the file cannot be written.
        """
        progress = self.part.progress
        rows = progress.parser.parse(block, self._replaced)
        self._extremes.add(rows)
        self.writer.add(rows)
        self._rows += rows.num_rows

    def verify_rows(self, sent: int) -> None:
        """Compare the rows that were written with what the server says it has sent, after the last block.

        Raises:
            SourceError: rows were lost or added on the way.
        """
        if self._rows != sent:
            raise SourceError(
                f"{self.part.progress.name}: the server has sent {sent:,} rows, and {self._rows:,} have arrived; "
                "nothing was sealed; hint: clear the task; if they differ again, this is a defect of Midnight, please "
                "report it"
            )

    def count_finished(self) -> bool:
        """Take the range off the table's open ones, after its last block.

        Returns:
            Whether the range has a file: it has rows, or is the last one of a table without any (an empty table still
            has a schema).
        """
        progress = self.part.progress
        progress.open_ranges -= 1
        return self.writer.has_rows or (progress.open_ranges == 0 and not progress.files)

    def record(self, file: BronzeFile | None) -> None:
        """Add the finished file, if there is one, to the table."""
        progress = self.part.progress
        progress.extremes.include(self._extremes)
        progress.parser.replaced.include(self._replaced)
        if file is not None:
            progress.files[self.part.number] = file
        progress.seconds = time.monotonic() - progress.started
