"""A session of the Synapse fake: its transactions, and the dispatch of statements."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from tests.fakes.synapse_catalogue import system_query
from tests.fakes.synapse_queries import bytes_read, compile_query, run_query
from tests.fakes.synapse_statements import BULK, Changes, Database, bare, check_grammar
from tests.fakes.tds_tokens import Result, SqlError
from tests.fakes.tds_wire import ConnectionLost

if TYPE_CHECKING:
    from tests.fakes.synapse import Synapse

_NAME = r"(\[(?:[^\]]|\]\])+\]|\w+)"
_IF = re.compile(r"IF\s+(.+?)\s+((?:CREATE|ALTER|EXEC)\b.*)", re.IGNORECASE | re.DOTALL)
_EXEC = re.compile(r"EXEC\s*\(\s*N?'((?:[^']|'')*)'\s*\)", re.IGNORECASE)
_LIMIT = re.compile(r"EXEC\s+sp_set_data_processed_limit\s+@type\s*=\s*N?'(\w+)'\s*,\s*@limit_tb\s*=\s*(\d+)", re.I)
_DATABASE = re.compile(rf"CREATE\s+DATABASE\s+{_NAME}\s+COLLATE\s+(\w+)", re.IGNORECASE)
_VIEW = re.compile(rf"(?:\s*--[^\n]*\n)*\s*CREATE\s+OR\s+ALTER\s+VIEW\s+{_NAME}\.{_NAME}\s+AS\b(.*)", re.I | re.DOTALL)
_DROP = re.compile(rf"DROP\s+VIEW\s+IF\s+EXISTS\s+{_NAME}\.{_NAME}", re.IGNORECASE)
_FUNCTION = re.compile(
    r"\b(DB_ID|SCHEMA_ID|DATABASE_PRINCIPAL_ID|IS_ROLEMEMBER|HAS_PERMS_BY_NAME)\s*\(([^()]*)\)", re.IGNORECASE
)
LOCK_SECONDS = 20


class Session:
    """One connection. Objects are changed in a copy, which replaces the old ones on commit."""

    def __init__(self, server: Synapse, database: str, user: str | None) -> None:
        self._server, self._name, self._user = server, database, user
        self._changed: Database | None = None
        self._in_transaction = False
        self._read_data = False

    def begin(self) -> None:
        self._server.requests["BEGIN"] += 1
        self._in_transaction, self._read_data = True, False

    def commit(self) -> None:
        when, self._server.lose_commit = self._server.lose_commit, ""
        if when == "before":
            raise ConnectionLost
        self._server.requests["COMMIT"] += 1
        self._end(keep=True)
        if when == "after":
            raise ConnectionLost

    def rollback(self) -> None:
        self._server.requests["ROLLBACK"] += 1
        self._end(keep=False)

    def close(self) -> None:
        self._end(keep=False)

    def batch(self, sql: str) -> Sequence[Result]:
        self._server.note(sql)
        check_grammar(sql)
        result = self._run(sql.strip().rstrip(";").strip())
        return [] if result is None else [result]

    def _run(self, sql: str) -> Result | None:
        if condition := _IF.fullmatch(sql):
            (held,) = self._query(f"SELECT CASE WHEN {condition[1]} THEN 1 ELSE 0 END AS held").rows[0]
            return self._run(condition[2]) if held else None
        if dynamic := _EXEC.fullmatch(sql):
            return self._run(dynamic[1].replace("''", "'"))
        if limit := _LIMIT.fullmatch(sql):
            self._administrator()
            self._server.limits[limit[1]] = int(limit[2])
            return None
        if created := _DATABASE.fullmatch(sql):
            self._create_database(bare(created[1]), created[2])
            return None
        if re.match(r"(\s|--[^\n]*\n)*(SELECT|WITH)\b", sql, re.IGNORECASE):
            return self._query(sql)
        with self._changing() as database:
            if view := _VIEW.fullmatch(sql):
                self._create_view(database, sql, bare(view[1]), bare(view[2]), view[3])
            elif dropped := _DROP.fullmatch(sql):
                self._may_change(database, bare(dropped[1]))
                database.views.pop((bare(dropped[1]), bare(dropped[2])), None)
            elif not Changes(database, self._server.logins, self._user, self._name == "master").run(sql):
                head = " ".join(sql.split()[:2]).upper()
                raise SqlError(40517, f"'{head}' is not supported in serverless SQL pools.")
        return None

    def _administrator(self) -> None:
        if self._user is not None:
            raise SqlError(15247, "User does not have permission to perform this action.")

    def _create_database(self, name: str, collation: str) -> None:
        self._administrator()
        if self._in_transaction:
            raise SqlError(226, "CREATE DATABASE statement not allowed within multi-statement transaction.")
        with self._server.guard:
            if name in self._server.databases:
                raise SqlError(1801, f"Database '{name}' already exists. Choose a different database name.")
            self._server.databases[name] = Database(collation)

    def _create_view(self, database: Database, sql: str, schema: str, name: str, query: str) -> None:
        if schema not in database.schemas:
            raise SqlError(
                2760, f'The specified schema name "{schema}" either does not exist or you do not have permission.'
            )
        self._may_change(database, schema)
        if not database.may(self._user, "CREATE VIEW"):
            raise SqlError(262, f"CREATE VIEW permission denied in database '{self._name}'.", 14)
        view = compile_query(query, database.views, lambda source: self._url(database, source), self._server.locate)
        if view.rowsets:
            self._may_open_files(database)
        for rowset in view.rowsets.values():
            if rowset.columns is None or rowset.uncollated:
                text = (rowset.uncollated or ("*",))[0]
                raise SqlError(
                    15852, f"Column '{text}' of a view over files needs a type with a UTF-8 collation (WITH)."
                )
        database.views[schema, name] = dataclasses.replace(view, definition=sql)

    def _may_change(self, database: Database, schema: str) -> None:
        if not database.may(self._user, "ALTER", "SCHEMA", schema):
            raise SqlError(
                2760, f'The specified schema name "{schema}" either does not exist or you do not have permission.'
            )

    def _url(self, database: Database, source: str) -> str:
        if source not in database.sources:
            raise SqlError(46505, f"Cannot find the external data source '{source}' or you do not have permission.")
        location, credential = database.sources[source]
        if not database.may(self._user, "REFERENCES", "DATABASE SCOPED CREDENTIAL", credential):
            raise SqlError(
                15151,
                f"Cannot find the CREDENTIAL '{credential}', because it does not exist or you do not have permission.",
            )
        return location

    def _may_open_files(self, database: Database) -> None:
        """Required to query files, and to query a view over files."""
        if not database.may(self._user, BULK):
            raise SqlError(4834, "You do not have permission to use the bulk load statement.")

    def _query(self, sql: str) -> Result:
        database = self._current()
        sql = _FUNCTION.sub(lambda call: self._function(database, call[1].upper(), call[2]), sql)
        if re.search(r"\bsys\.", sql, re.IGNORECASE) or not re.search(r"\bFROM\b", sql, re.IGNORECASE):
            return system_query(sql, self._system_tables(database))
        query = compile_query(sql, database.views, lambda source: self._url(database, source), self._server.locate)
        for schema, name in query.reads:
            if not database.may(self._user, "SELECT", "SCHEMA", schema):
                where = f"object '{name}', database '{self._name}', schema '{schema}'"
                raise SqlError(229, f"The SELECT permission was denied on the {where}.", 14)
        if query.rowsets or query.reads:
            self._read_data = True
            if self._in_transaction and self._changed is not None:
                raise self._mixed_error()
            self._may_open_files(database)
        if query.reads:
            for source in database.sources:
                self._url(database, source)  # a view opens the files with the reader's own rights to the credential
        if query.rowsets or query.reads:
            self._server.bill_query(bytes_read(query, database.views, self._server.locate))
        return run_query(query, database.views, self._server.locate)

    @staticmethod
    def _mixed_error() -> SqlError:
        """Source: "Transact-SQL features supported in Azure Synapse SQL": "transactions are applicable only on the
        meta-data objects". Queries over files in a transaction with DDL are not documented.
        """
        return SqlError(226, "A query over files is not allowed within a transaction that changes metadata.")

    def _function(self, database: Database, name: str, arguments: str) -> str:
        given = [
            None if a.strip().upper() == "NULL" else a.strip().removeprefix("N").strip("'")
            for a in arguments.split(",")
        ]
        first = given[0] or ""
        principals = {*database.users, *database.roles}
        if name == "HAS_PERMS_BY_NAME":
            kind = "" if given[1] == "DATABASE" else str(given[1])
            return str(int(database.may(self._user, str(given[2]).upper(), kind, first)))
        if name == "IS_ROLEMEMBER":
            known = first in database.roles and given[1] in principals
            return str(int(given[1] in database.roles[first])) if known else "NULL"
        names: dict[str, Collection[str]] = {
            "DB_ID": self._server.databases,
            "SCHEMA_ID": database.schemas,
            "DATABASE_PRINCIPAL_ID": principals,
        }
        return "5" if first in names[name] else "NULL"

    def _system_tables(self, database: Database) -> dict[str, tuple[Sequence[str], list[tuple[object, ...]]]]:
        schemas = {name: number for number, name in enumerate(sorted(database.schemas), 5)}
        key: list[tuple[object, ...]] = [("##MS_DatabaseMasterKey##",)] if database.master_key else []
        return {
            "schemas": (("name", "schema_id"), list(schemas.items())),
            "views": (
                ("name", "schema_id", "object_id"),
                [(name, schemas[schema], number) for number, (schema, name) in enumerate(sorted(database.views))],
            ),
            "sql_modules": (
                ("object_id", "definition"),
                [(number, database.views[key].definition) for number, key in enumerate(sorted(database.views))],
            ),
            "symmetric_keys": (("name",), key),
            "database_scoped_credentials": (("name",), [(name,) for name in database.credentials]),
            "external_data_sources": (("name", "location"), [(n, s[0]) for n, s in database.sources.items()]),
            "server_principals": (("name",), [(name,) for name in self._server.logins]),
            "dm_external_data_processed": (
                ("type", "data_processed_mb"),
                [("daily", str(self._server.processed_mb)), ("weekly", str(self._server.processed_mb))],
            ),
            "databases": (("name", "collation_name"), [(n, d.collation) for n, d in self._server.databases.items()]),
        }

    def _current(self) -> Database:
        with self._server.guard:
            return self._changed or self._server.databases[self._name]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Database]:
        """Yield a copy to change. It is applied immediately outside a transaction, otherwise on commit."""
        if self._in_transaction and self._read_data:
            raise self._mixed_error()
        if self._changed is None:
            if not self._server.schema_lock.acquire(timeout=LOCK_SECONDS):
                raise SqlError(1222, "Lock request time out period exceeded.")
            self._changed = self._current().copy()
        try:
            yield self._changed
        except SqlError:
            if not self._in_transaction:
                self._end(keep=False)
            raise
        if not self._in_transaction:
            self._end(keep=True)

    def _end(self, *, keep: bool) -> None:
        self._in_transaction = False
        if self._changed is None:
            return
        if keep:
            with self._server.guard:
                self._server.databases[self._name] = self._changed
        self._changed = None
        self._server.schema_lock.release()
