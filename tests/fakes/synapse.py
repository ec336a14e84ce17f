"""Synapse serverless SQL on loopback, for the real driver: sign-in by token over TLS, transactions, T-SQL over Delta.

Every statement must be valid T-SQL (sqlfluff) and supported by serverless (``synapse_statements``). Queries read the
Delta tables (``synapse_queries``). The product's statements run unmodified.
"""

from __future__ import annotations

import contextlib
import math
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fakes.synapse_queries import Locate
from tests.fakes.synapse_session import Session
from tests.fakes.synapse_statements import Database
from tests.fakes.tds import ConnectionLost, Login, TdsServer
from tests.fakes.tds_tokens import SqlError


class Synapse:
    """The endpoint of a workspace.

    Args:
        check: called with the access token of each sign-in; raises when it is not accepted, and returns the Entra name
            of the principal (which needs a login and a user with rights), or None for a Synapse SQL administrator.
        locate: maps the URL of a folder below an external data source to a folder of this machine.
        certificate: PEM files of chain and key, see ``CertificateAuthority.issue("localhost")``.

    Attributes:
        databases: by name; ``master`` exists, the setup creates the others.
        logins: names of server principals.
        limits: data-processed limit in TB by period.
        processed_mb: the meter: of each query over files, the size of the tables that it reads, rounded up to a MB and
            at least 10 MB ("Cost management for serverless SQL pool").
        statements: every batch received, in order.
        requests: counts of LOGIN, REFUSED LOGIN, BEGIN, COMMIT, ROLLBACK, and the first two words of each batch.
        port: on loopback (while ``running``).
    """

    def __init__(self, check: Callable[[str], str | None], locate: Locate, certificate: tuple[Path, Path]) -> None:
        self.check, self.locate = check, locate
        self.databases = {"master": Database("SQL_Latin1_General_CP1_CI_AS")}
        self.logins: set[str] = set()
        self.limits: dict[str, int] = {}
        self.processed_mb = 0
        self.statements: list[str] = []
        self.requests: Counter[str] = Counter()
        self.lose_commit = ""
        self._faults: list[str | None] = []
        self._server = TdsServer(self, certificate)
        self.port = self._server.port
        self.guard = threading.RLock()  # over databases
        self.schema_lock = threading.Lock()  # held by the transaction that changes objects

    @contextlib.contextmanager
    def running(self) -> Iterator[Synapse]:
        with self._server.running():
            yield self

    def fail(self, position: int, message: str | None) -> None:
        """Fail the batch at this position from now (0: the next) with this message; None drops the connection."""
        self._faults = [*[""] * position, message]

    def lose(self, when: str) -> None:
        """Drop the connection ``before`` or ``after`` the next commit takes effect."""
        self.lose_commit = when

    def views(self, database: str = "midnight") -> dict[str, str]:
        """The committed views, as ``schema.name``, with their definitions."""
        with self.guard:
            found = self.databases[database].views
            return {f"{schema}.{name}": view.definition for (schema, name), view in sorted(found.items())}

    def sign_in(self, login: Login) -> Session:
        try:
            if login.token is None:
                raise SqlError(18456, f"Login failed for user '{login.user}'.", 14)
            try:
                principal = self.check(login.token)
            except Exception as error:  # whatever the test's check raises
                raise SqlError(18456, "Login failed for user '<token-identified principal>'.", 14) from error
            database = login.database or "master"
            with self.guard:
                if principal is not None and principal not in self.logins:
                    raise SqlError(18456, "Login failed for user '<token-identified principal>'.", 14)
                known = self.databases.get(database)
                users = {name: user for user, name in known.users.items()} if known else {}
                if known is None or (principal is not None and database != "master" and principal not in users):
                    message = f'Cannot open database "{database}" requested by the login. The login failed.'
                    raise SqlError(4060, message, 11)
        except SqlError:
            self.requests["REFUSED LOGIN"] += 1
            raise
        self.requests["LOGIN"] += 1
        user = None if principal is None else users.get(principal, principal)
        return Session(self, database, user)

    def bill_query(self, read: int) -> None:
        """Add a query over files of this size to the meter."""
        self.processed_mb += max(10, math.ceil(read / 2**20))

    def note(self, sql: str) -> None:
        self.statements.append(sql)
        words = re.sub(r"--[^\n]*\n", " ", sql).split()
        self.requests[" ".join(words[:2]).upper()] += 1
        if self._faults:
            fault = self._faults.pop(0)
            if fault is None:
                raise ConnectionLost
            if fault:
                raise SqlError(50000, fault)
