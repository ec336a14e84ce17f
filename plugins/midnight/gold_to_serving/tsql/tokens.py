"""The lexer: T-SQL text to tokens, each with its line."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from midnight.gold_to_serving.tsql.problems import RefusedError

Kind = Literal["word", "name", "number", "text", "ntext", "binary", "operator", "end"]


class Token(NamedTuple):
    """A token. A word keeps its case, ``upper`` is for keywords; a quoted name and a text have no quotes."""

    kind: Kind
    text: str
    line: int
    upper: str = ""


_PATTERN = re.compile(
    r"""
    (?P<blank>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<ntext>[nN]'(?:[^']|'')*')
  | (?P<text>'(?:[^']|'')*')
  | (?P<name>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")
  | (?P<binary>0[xX][0-9A-Fa-f]*)
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d*)?)
  | (?P<word>[^\W\d][\w@$\#]*)
  | (?P<operator><=|>=|<>|!=|!<|!>|\|\||::|[-+*/%&|^~<>=(),.;@\#\$:{}?\\!])
    """,
    re.VERBOSE,
)
_REFUSED = {
    "||": ("'||' is not supported in Synapse", "write CONCAT(a, b), or a + b"),
    "::": ("'::' is not T-SQL", "write CAST(x AS type)"),
    "@": ("a view has no variables", "write the value, or join a table that holds it"),
    "#": ("a view cannot read a temporary table", "use WITH name AS (SELECT …)"),
    "$": ("money constants and pseudo columns are not supported", "write the number without '$'"),
}
# "Reserved keywords": they are names only in brackets.
_RESERVED = """
ADD ALL ALTER AND ANY AS ASC AUTHORIZATION BACKUP BEGIN BETWEEN BREAK BROWSE BULK BY CASCADE CASE CHECK CHECKPOINT
CLOSE CLUSTERED COALESCE COLLATE COLUMN COMMIT COMPUTE CONSTRAINT CONTAINS CONTAINSTABLE CONTINUE CONVERT CREATE CROSS
CURRENT CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURSOR DATABASE DBCC DEALLOCATE DECLARE DEFAULT
DELETE DENY DESC DISK DISTINCT DISTRIBUTED DOUBLE DROP DUMP ELSE END ERRLVL ESCAPE EXCEPT EXEC EXECUTE EXISTS EXIT
EXTERNAL FETCH FILE FILLFACTOR FOR FOREIGN FREETEXT FREETEXTTABLE FROM FULL FUNCTION GOTO GRANT GROUP HAVING HOLDLOCK
IDENTITY IDENTITY_INSERT IDENTITYCOL IF IN INDEX INNER INSERT INTERSECT INTO IS JOIN KEY KILL LEFT LIKE LINENO LOAD
MERGE NATIONAL NOCHECK NONCLUSTERED NOT NULL NULLIF OF OFF OFFSETS ON OPEN OPENDATASOURCE OPENQUERY OPENROWSET OPENXML
OPTION OR ORDER OUTER OVER PERCENT PIVOT PLAN PRECISION PRIMARY PRINT PROC PROCEDURE PUBLIC RAISERROR READ READTEXT
RECONFIGURE REFERENCES REPLICATION RESTORE RESTRICT RETURN REVERT REVOKE RIGHT ROLLBACK ROWCOUNT ROWGUIDCOL RULE SAVE
SCHEMA SECURITYAUDIT SELECT SEMANTICKEYPHRASETABLE SEMANTICSIMILARITYDETAILSTABLE SEMANTICSIMILARITYTABLE SESSION_USER
SET SETUSER SHUTDOWN SOME STATISTICS SYSTEM_USER TABLE TABLESAMPLE TEXTSIZE THEN TO TOP TRAN TRANSACTION TRIGGER
TRUNCATE TRY_CONVERT TSEQUAL UNION UNIQUE UNPIVOT UPDATE UPDATETEXT USE USER VALUES VARYING VIEW WAITFOR WHEN WHERE
WHILE WITH WRITETEXT
"""
RESERVED = frozenset(_RESERVED.split())


def tokenize(sql: str) -> list[Token]:
    """Return the tokens of a text without comments, followed by one of kind ``end``.

    Raises:
        RefusedError: a character is not T-SQL, or a text or comment is not closed.
    """
    tokens: list[Token] = []
    place, line = 0, 1
    while place < len(sql):
        match = _PATTERN.match(sql, place)
        if match is None:
            raise RefusedError(line, _unreadable(sql[place]))
        kind, text = match.lastgroup, match[0]
        place = _end_of_comment(sql, match.end(), line) if kind == "comment" else match.end()
        if kind not in ("blank", "comment"):
            if text in _REFUSED:
                raise RefusedError(line, *_REFUSED[text])
            upper = text.upper() if kind in ("word", "operator") else ""
            tokens.append(Token(kind, _content(str(kind), text), line, upper))  # type: ignore[arg-type]
        line += sql.count("\n", match.start(), place)
    return [*tokens, Token("end", "", line)]


def _unreadable(character: str) -> str:
    if character in "'\"[":
        return f"is not T-SQL: {character} is not closed"
    return f"is not T-SQL: unexpected character {character!r}"


def _content(kind: str, text: str) -> str:
    if kind in ("text", "ntext"):
        return text[text.index("'") + 1 : -1].replace("''", "'")
    if kind == "name":
        return text[1:-1].replace("]]", "]") if text[0] == "[" else text[1:-1].replace('""', '"')
    return text


def _end_of_comment(sql: str, place: int, line: int) -> int:
    """Skip a comment; comments can be nested in T-SQL."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(sql, place):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    raise RefusedError(line, "is not T-SQL: /* is not closed")
