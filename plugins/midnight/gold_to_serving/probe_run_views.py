"""Whether the views of the schema ``midnight`` can be read after a publication.

They show what the runs did, not the business's data: one that fails is a warning, and takes nothing back.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from midnight.errors import DataLimitError, ServingError, StatementRefusedError, first_line
from midnight.gold_to_serving.publish_synapse import Read
from midnight.gold_to_serving.run_views import (
    RUN_SCHEMA,
    RUN_VIEWS,
    RunView,
    duckdb_run_view,
    duckdb_run_view_probe,
    run_view_name,
    synapse_run_view_probe,
)
from midnight.sql_text import quote_identifier

_log = logging.getLogger(__name__)


def probe_on_synapse(reading: Callable[[], AbstractContextManager[Read]]) -> tuple[dict[str, str], str]:
    """Read all values of each view.

    Args:
        reading: opens a connection for queries over data.

    Returns:
        View -> why it cannot be read. And Synapse's message about the limit of processed data, if it is reached.
    """
    unreadable: dict[str, str] = {}
    waiting = list(RUN_VIEWS)
    while waiting:
        try:
            for view in _read_until_one_fails(reading, waiting):
                waiting.remove(view)
        except DataLimitError as error:
            return unreadable, str(error)
        except StatementRefusedError as error:  # the connection may be lost: the others get a new one
            unreadable[run_view_name(waiting.pop(0))] = f"{error.reason}; hint: {error.advice}"
        except ServingError as error:  # no connection: each further attempt would take as long
            return unreadable | {run_view_name(view): first_line(error) for view in waiting}, ""
    return unreadable, ""


def _read_until_one_fails(
    reading: Callable[[], AbstractContextManager[Read]], views: list[RunView]
) -> Iterator[RunView]:
    with reading() as read:
        for view in tuple(views):
            deque(read(synapse_run_view_probe(view)), maxlen=0)
            yield view


def probe_locally(folders: Mapping[str, str]) -> dict[str, str]:
    """Read all values of each view, in a database of its own: an error would end the transaction of the serving file.

    Args:
        folders: view -> folder with its files.

    Returns:
        View -> why it cannot be read.
    """
    import duckdb

    unreadable: dict[str, str] = {}
    with duckdb.connect() as connection:
        connection.execute(f"CREATE SCHEMA {quote_identifier(RUN_SCHEMA)}")
        for view in RUN_VIEWS:
            try:
                connection.execute(next(iter(duckdb_run_view(view, folders[view.name]))))
                connection.execute(duckdb_run_view_probe(view)).fetchall()
            except duckdb.Error as error:
                unreadable[run_view_name(view)] = f"{first_line(error)}; hint: delete the file that the message names"
    return unreadable


def warn_of(unreadable: Mapping[str, str]) -> None:
    """Log each view that cannot be read."""
    for name, reason in unreadable.items():
        _log.warning("the view %s cannot be read: %s; all other views are published", name, reason)
