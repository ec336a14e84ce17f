"""Statements other than queries that the Synapse fake accepts, and their permissions: a model of serverless SQL.

Source: "Transact-SQL features supported in Azure Synapse SQL" and the pages of the statements. All other statements
are rejected, as the service rejects tables, indexes and DML.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlfluff.core import FluffConfig, Linter

from tests.fakes.synapse_queries import View
from tests.fakes.tds_tokens import SqlError

_NAME = r"(\[(?:[^\]]|\]\])+\]|[\w#]+)"
_TEXT = r"N?'((?:[^']|'')*)'"
_LITERAL = re.compile(r"'(?:[^']|'')*'")
# sqlfluff 4.5 cannot parse this securable class.
_GAP = re.compile(r"ON DATABASE SCOPED CREDENTIAL::", re.IGNORECASE)

# Required for OPENROWSET, in views as well. Logins have it by default; here it has been revoked.
BULK = "ADMINISTER DATABASE BULK OPERATIONS"


@dataclass
class Database:
    """One database's objects.

    Args:
        collation: of the database.
        sources: external data source -> location and credential.
        users: database user -> login.
        roles: role -> members.
        rights: (GRANT or DENY, permission, class, securable, principal).
    """

    collation: str
    master_key: bool = False
    schemas: set[str] = field(default_factory=lambda: {"dbo"})
    credentials: set[str] = field(default_factory=set)
    sources: dict[str, tuple[str, str]] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    roles: dict[str, set[str]] = field(default_factory=lambda: {"public": set()})
    rights: set[tuple[str, str, str, str, str]] = field(default_factory=set)
    views: dict[tuple[str, str], View] = field(default_factory=dict)

    def copy(self) -> Database:
        """Return an independent copy."""
        return Database(
            self.collation,
            self.master_key,
            set(self.schemas),
            set(self.credentials),
            dict(self.sources),
            dict(self.users),
            {role: set(members) for role, members in self.roles.items()},
            set(self.rights),
            dict(self.views),
        )

    def may(self, user: str | None, permission: str, kind: str = "", name: str = "") -> bool:
        """Whether a user has a permission; None is an administrator."""
        if user is None:
            return True
        holders = {user, "public", *(role for role, members in self.roles.items() if user in members)}
        found = {right[0] for right in self.rights if right[1:4] == (permission, kind, name) and right[4] in holders}
        return found == {"GRANT"}


def bare(name: str) -> str:
    """A name without its brackets."""
    return name[1:-1].replace("]]", "]") if name.startswith("[") else name


@functools.cache
def _linter() -> Linter:
    logging.getLogger("sqlfluff").setLevel(logging.WARNING)  # at INFO it logs every syntax tree
    return Linter(config=FluffConfig(overrides={"dialect": "tsql"}))


@functools.cache
def _problems(masked: str) -> tuple[str, ...]:
    return tuple(str(violation) for violation in _linter().parse_string(masked + "\n").violations)


def check_grammar(sql: str) -> None:
    """Check with sqlfluff that a statement is T-SQL.

    Raises:
        SqlError: it is not valid.
    """
    problems = _problems(_GAP.sub("ON SCHEMA::", _LITERAL.sub("'x'", sql)))
    if problems:
        raise SqlError(102, f"Incorrect syntax: {problems[0]}", 15)


class Changes:
    """Runs one statement that changes objects.

    Args:
        database: to change; a copy that is discarded when the statement fails.
        logins: of the server, changed in place.
        user: who runs the statement; None is an administrator.
        in_master: whether the connection is to ``master``.
    """

    def __init__(self, database: Database, logins: set[str], user: str | None, in_master: bool) -> None:
        self.database, self.logins, self.user, self.in_master = database, logins, user, in_master

    def run(self, sql: str) -> bool:
        """Return whether the statement is supported; raises SqlError when it is rejected."""
        for pattern, method in _STATEMENTS:
            found = pattern.fullmatch(sql.strip().rstrip(";").strip())
            if found:
                if self.user is not None:
                    raise SqlError(15247, "User does not have permission to perform this action.")
                if self.in_master and method is not Changes._login:
                    raise SqlError(15803, "This statement is not supported in the master database.")
                method(self, *(bare(group) if group else "" for group in found.groups()))
                return True
        return False

    def _master_key(self, password: str) -> None:
        if self.database.master_key:
            raise SqlError(15578, "There is already a master key in the database.")
        self.database.master_key = True

    def _credential(self, name: str) -> None:
        if not self.database.master_key:
            raise SqlError(15581, "Please create a master key in the database before performing this operation.")
        _require_absent(name, self.database.credentials, "credential")
        self.database.credentials.add(name)

    def _source(self, name: str, location: str, credential: str) -> None:
        _require_absent(name, self.database.sources, "external data source")
        _require_present(credential, self.database.credentials, "credential")
        if not re.fullmatch(r"(abfss://\w+@[\w-]+\.dfs\.core\.windows\.net|https://.+)/?", location):
            raise SqlError(46525, f"Location '{location}' is not supported.")
        self.database.sources[name] = (location, credential)

    def _schema(self, name: str) -> None:
        _require_absent(name, self.database.schemas, "object")
        self.database.schemas.add(name)

    def _role(self, name: str) -> None:
        _require_absent(name, {*self.database.roles, *self.database.users}, "user, group, or role")
        self.database.roles[name] = set()

    def _login(self, name: str) -> None:
        if not self.in_master:
            raise SqlError(5001, "User must be in the master database.")
        _require_absent(name, self.logins, "server principal")
        self.logins.add(name)

    def _user(self, name: str, login: str) -> None:
        if login not in self.logins:
            raise SqlError(15007, f"'{login}' is not a valid login or you do not have permission.")
        _require_absent(name, {*self.database.roles, *self.database.users}, "user, group, or role")
        self.database.users[name] = login

    def _member(self, role: str, verb: str, member: str) -> None:
        _require_present(role, self.database.roles, "role")
        _require_present(member, {*self.database.users, *self.database.roles}, "principal")
        members = self.database.roles[role]
        (members.add if verb.upper() == "ADD" else members.discard)(member)

    def _right(self, verb: str, permission: str, kind: str, name: str, principal: str) -> None:
        kind, permission = kind.upper(), " ".join(permission.upper().split())
        known = {"SCHEMA": self.database.schemas, "DATABASE SCOPED CREDENTIAL": self.database.credentials}
        if kind:
            _require_present(name, known[kind], kind.lower())
        if (permission, kind) not in _RIGHTS:
            raise SqlError(102, f"Incorrect syntax near '{permission}'.", 15)
        _require_present(principal, {*self.database.users, *self.database.roles}, "user")
        right = (permission, kind, name, principal)
        self.database.rights -= {("GRANT", *right), ("DENY", *right)}
        if verb.upper() != "REVOKE":
            self.database.rights.add((verb.upper(), *right))


def _require_absent(name: str, existing: object, kind: str) -> None:
    if name in existing:  # type: ignore[operator]
        raise SqlError(2714, f"There is already an {kind} named '{name}' in the database.")


def _require_present(name: str, existing: object, kind: str) -> None:
    if name not in existing:  # type: ignore[operator]
        raise SqlError(
            15151, f"Cannot find the {kind} '{name}', because it does not exist or you do not have permission."
        )


def _statement(pattern: str, method: Callable[..., None]) -> tuple[re.Pattern[str], Callable[..., None]]:
    spaced = pattern.replace(" ", r"\s+").replace("NAME", _NAME).replace("TEXT", _TEXT)
    return re.compile(spaced, re.IGNORECASE | re.DOTALL), method


_RIGHTS = {
    ("SELECT", "SCHEMA"),
    ("ALTER", "SCHEMA"),
    ("CREATE VIEW", ""),
    ("REFERENCES", "DATABASE SCOPED CREDENTIAL"),
    (BULK, ""),
}
_STATEMENTS = (
    _statement(r"CREATE MASTER KEY(?: ENCRYPTION BY PASSWORD\s*=\s*TEXT)?", Changes._master_key),
    _statement(r"CREATE DATABASE SCOPED CREDENTIAL NAME WITH IDENTITY\s*=\s*'Managed Identity'", Changes._credential),
    _statement(
        r"CREATE EXTERNAL DATA SOURCE NAME WITH\s*\(\s*LOCATION\s*=\s*TEXT\s*,\s*CREDENTIAL\s*=\s*NAME\s*\)",
        Changes._source,
    ),
    _statement(r"CREATE SCHEMA NAME", Changes._schema),
    _statement(r"CREATE ROLE NAME", Changes._role),
    _statement(r"CREATE LOGIN NAME FROM EXTERNAL PROVIDER", Changes._login),
    _statement(r"CREATE USER NAME FOR LOGIN NAME", Changes._user),
    _statement(r"ALTER ROLE NAME (ADD|DROP) MEMBER NAME", Changes._member),
    _statement(
        r"(GRANT|DENY|REVOKE) ([A-Z ]+?)(?: ON (SCHEMA|DATABASE SCOPED CREDENTIAL)::NAME)? (?:TO|FROM) NAME",
        Changes._right,
    ),
)
