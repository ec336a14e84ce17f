"""LIKE and PATINDEX. Source: "LIKE (Transact-SQL)", "Wildcard - character(s) to match", "PATINDEX"."""

from __future__ import annotations

import re

from midnight.gold_to_serving.tsql.conversions import implicit_text
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import UNICODE
from midnight.sql_text import text_literal

_CLASS = re.compile(r"\[(\^?)([^\]]+)\]", re.DOTALL)


def like_condition(value: Typed, pattern: Typed, escape: Typed | None, line: int) -> str:
    """Translate ``value LIKE pattern ESCAPE escape``; trailing blanks of the value count only for nvarchar.

    Raises:
        RefusedError: the pattern is not a constant, or not a proved one.
    """
    if pattern.text is None:
        raise RefusedError(
            line, "LIKE with a pattern that is not a constant", "write the pattern, or use CHARINDEX(…) > 0"
        )
    if escape is not None and (escape.text is None or len(escape.text) != 1):
        raise RefusedError(line, "ESCAPE must be one character", "write ESCAPE '!'")
    text = implicit_text(value, line)
    body = pattern_regex(pattern.text, escape.text if escape is not None else None, line)
    unicode = text.type.kind in UNICODE or pattern.type.kind in UNICODE
    return f"regexp_full_match({text.sql}, {text_literal('(?s)' + body + ('' if unicode else ' *'))})"


def pattern_regex(pattern: str, escape: str | None, line: int) -> str:
    """The regular expression of a LIKE pattern: ``%``, ``_``, ``[abc]``, ``[a-z]``, ``[^a-z]``."""
    found, place = [], 0
    while place < len(pattern):
        character = pattern[place]
        if escape is not None and character == escape:
            if place + 1 == len(pattern):
                raise RefusedError(line, f"the pattern {pattern!r} ends with its escape character", "remove it")
            found.append(re.escape(pattern[place + 1]))
            place += 2
            continue
        if character == "[":
            match = _CLASS.match(pattern, place)
            if match is None or (escape is not None and escape in match[0]):
                raise RefusedError(
                    line, f"the pattern {pattern!r} has a '[' without a proved meaning", "write [[] for '['"
                )
            found.append(f"[{match[1]}{_class_members(match[2], line)}]")
            place = match.end()
            continue
        found.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
        place += 1
    return "".join(found)


def _class_members(members: str, line: int) -> str:
    """Ranges compare code points, as the collation does."""
    if members.startswith("^"):
        raise RefusedError(line, f"the class [{members}] has no proved meaning", "use ESCAPE for the '^'")
    if members.startswith("-"):
        return "\\-" + (_class_members(members[1:], line) if members != "-" else "")
    if (members.endswith("-") and len(members) > 1) or members.count("--"):
        raise RefusedError(line, f"the class [{members}] has a '-' at its edge", "use ESCAPE for the '-'")
    for first, last in re.findall(r"(.)-(.)", members, re.DOTALL):
        if first > last:
            raise RefusedError(line, f"the range {first}-{last} is empty", "write the smaller character first")
    return re.sub(r"([\\\[\]^&~|])", r"\\\1", members)


def patindex(pattern: str, text: str, line: int) -> str:
    """Translate PATINDEX: the position of the first match, 0 without a match.

    Raises:
        RefusedError: as ``like_condition``.
    """
    anchored, body = not pattern.startswith("%"), pattern.removeprefix("%")
    to_end = not body.endswith("%")
    regex = pattern_regex(body.rstrip("%"), None, line)
    if to_end:
        raise RefusedError(line, f"PATINDEX with {pattern!r}: only patterns that end in % are proved", "write '%…%'")
    if anchored:
        return f"CAST(regexp_matches({text}, {text_literal('(?s)^' + regex)}) AS INTEGER)"
    shape = text_literal(f"(?s)^(.*?)(?:{regex})")
    return (
        f"list_transform([{text}], lambda v: CASE WHEN v IS NULL THEN NULL WHEN regexp_matches(v, {shape}) "
        f"THEN length(regexp_extract(v, {shape}, 1)) + 1 ELSE 0 END)[1]"
    )
