"""Number patterns of .NET's FORMAT, parsed as .NET Framework does.

Source: learn.microsoft.com/dotnet/standard/base-types/standard-numeric-format-strings and
custom-numeric-format-strings; culture en-US.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError

_STANDARD = re.compile(r"([A-Za-z])(\d{0,2})")
_BY_HAND = "write the pattern with 0 and #, for example '#,##0.00'"
_GROUP_SIZE = 3


@dataclass(frozen=True)
class Piece:
    """Part of a section: ``text``, or the digit placeholders ``high`` to ``low`` before or after the decimal point.

    Integer placeholders count from 1 at the decimal point to the left, fraction placeholders from 1 to the right.
    """

    kind: str  # "text", "integer", "point", "fraction"
    text: str = ""
    high: int = 0
    low: int = 0


@dataclass(frozen=True)
class Section:
    """One of the sections of a pattern (positive; negative; zero).

    Args:
        pieces: what is printed, from the left.
        power: the number is multiplied by ten to this power ('%': 2, each scaling comma: -3).
        decimals: digits after the point, to which the number is rounded.
        integer_zeros: minimum number of digits of the integer part.
        fraction_zeros: minimum number of digits of the fraction.
        grouped: whether there are thousands separators.
    """

    pieces: tuple[Piece, ...]
    power: int
    decimals: int
    integer_zeros: int
    fraction_zeros: int
    grouped: bool


def expand_standard(pattern: str, *, integral: bool, scale: int | None) -> str:
    """The custom pattern for a standard one (``N2``), or the pattern itself if it is a custom one.

    Args:
        pattern: as written.
        integral: whether the number is of an integer type.
        scale: decimals of the type; None for float and real.

    Raises:
        FormatRefusedError: .NET has no such standard pattern for the type, or it has no counterpart.
    """
    match = _STANDARD.fullmatch(pattern)
    if match is None:
        return pattern
    letter = match[1].upper()
    fraction = "." + "0" * int(match[2] or 2) if int(match[2] or 2) else ""
    patterns = {
        "N": f"#,##0{fraction}",
        "F": f"0{fraction}",
        "P": f"#,##0{fraction} %",
        "C": f"$#,##0{fraction};($#,##0{fraction})",
    }
    if letter in patterns:
        return patterns[letter]
    if letter == "D" and integral:
        return "0" * max(1, int(match[2] or 1))
    if letter == "D":
        raise FormatRefusedError(f"FORMAT with {pattern!r} returns NULL for a number that is not an integer", _BY_HAND)
    if letter == "G" and not match[2] and scale is not None:
        return "0." + "0" * scale if scale else "0"
    raise FormatRefusedError(f"FORMAT pattern {pattern!r} has no proved counterpart for this type", _BY_HAND)


def split_sections(pattern: str) -> list[str]:
    """The texts between the semicolons, outside of quotes.

    Raises:
        FormatRefusedError: an unclosed quote, or more than three sections.
    """
    sections, quote, position = [""], "", 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\" and not quote:
            if position + 1 == len(pattern):
                raise FormatRefusedError(
                    f"FORMAT pattern {pattern!r} ends in a backslash", "write the escaped character"
                )
            sections[-1] += pattern[position : position + 2]
            position += 2
            continue
        if char in "'\"":
            quote = "" if char == quote else quote or char
        if char == ";" and not quote:
            sections.append("")
        else:
            sections[-1] += char
        position += 1
    if quote:
        raise FormatRefusedError(f"FORMAT pattern {pattern!r} has a quote without its end", "close the quoted text")
    if len(sections) > 3:
        raise FormatRefusedError(f"FORMAT pattern {pattern!r} has more than three sections", "keep three at most")
    return sections


def _tokens(section: str) -> list[tuple[str, str]]:
    """Characters as ("pattern", char) or ("text", text)."""
    tokens, position = [], 0
    while position < len(section):
        char = section[position]
        if char in "'\"":
            end = section.index(char, position + 1)
            tokens.append(("text", section[position + 1 : end]))
            position = end
        elif char == "\\":
            position += 1
            tokens.append(("text", section[position]))
        elif char in "0#.,%":
            tokens.append(("pattern", char))
        elif char == "‰" or re.match(r"[Ee][+-]?0", section[position:]):
            raise FormatRefusedError(f"FORMAT pattern {section!r}: {char!r} has no proved counterpart", _BY_HAND)
        else:
            tokens.append(("text", char))
        position += 1
    return tokens


def parse_section(section: str) -> Section:
    """Read one section of a custom pattern.

    Raises:
        FormatRefusedError: a part of it has no counterpart.
    """
    tokens = _tokens(section)
    marks = [char for kind, char in tokens if kind == "pattern"]
    digits, point, first_zero, last_zero = 0, -1, -1, 0
    commas: dict[int, int] = {}
    for char in marks:
        if char in "0#":
            first_zero = digits if char == "0" and first_zero < 0 else first_zero
            digits += 1
            last_zero = digits if char == "0" else last_zero
        elif char == "." and point < 0:
            point = digits
        elif char == "," and digits and point < 0:
            commas[digits] = commas.get(digits, 0) + 1
    point = digits if point < 0 else point
    scaling = commas.pop(point, 0)
    parsed = Section(
        pieces=_pieces(tokens, point, digits),
        power=2 * marks.count("%") - _GROUP_SIZE * scaling,
        decimals=digits - point,
        integer_zeros=max(0, point - first_zero) if first_zero >= 0 else 0,
        fraction_zeros=max(0, last_zero - point),
        grouped=bool(commas),
    )
    if parsed.grouped and sum(piece.kind == "integer" for piece in parsed.pieces) > 1:
        raise FormatRefusedError(
            f"FORMAT pattern {section!r} has text between grouped digits", "format the parts apart"
        )
    return parsed


def _pieces(tokens: list[tuple[str, str]], point: int, digits: int) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    seen, point_written = 0, False
    for kind, char in tokens:
        last = pieces[-1] if pieces else Piece("text")
        if kind == "text" or char == "%":
            pieces.append(Piece("text", char))
        elif char == "." and not point_written:
            point_written = True
            pieces.append(Piece("point"))
        elif char in "0#" and seen < point:
            place = point - seen
            seen += 1
            if last.kind == "integer":
                pieces[-1] = Piece("integer", high=last.high, low=place)
            else:
                pieces.append(Piece("integer", high=place, low=place))
        elif char in "0#":
            seen += 1
            if last.kind == "fraction":
                pieces[-1] = Piece("fraction", high=seen - point, low=last.low)
            else:
                pieces.append(Piece("fraction", high=seen - point, low=seen - point))
    return tuple(pieces)
