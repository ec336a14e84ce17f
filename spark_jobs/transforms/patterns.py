"""Regular expressions with the same meaning in Java (Apache Spark, Databricks) and Rust (Sail)."""

from __future__ import annotations

_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": " \\t\\n\\x0B\\f\\r"}


def portable(regex: str) -> str:
    """The same expression with the parts expanded that the engines interpret differently.

    ``\\d``, ``\\w`` and ``\\s`` are ASCII, as in Java (Unicode in Rust); ``.`` is all but a line feed, as in Rust (Java
    also excludes other line ends).

    Raises:
        ValueError: ``\\D``, ``\\W`` or ``\\S`` inside brackets, which cannot be expanded there.
    """
    result, inside, i = [], False, 0
    while i < len(regex):
        char = regex[i]
        if char == "\\" and i + 1 < len(regex):
            result.append(_escape(regex[i + 1], inside=inside))
            i += 2
            continue
        if char == "[" and not inside:
            inside = True
        elif char == "]" and inside and not regex[:i].endswith(("[", "[^")):
            inside = False
        result.append("[^\\n]" if char == "." and not inside else char)
        i += 1
    return "".join(result)


def _escape(letter: str, *, inside: bool) -> str:
    if letter in _CLASSES:
        return _CLASSES[letter] if inside else f"[{_CLASSES[letter]}]"
    if letter.lower() in _CLASSES and letter.isupper():
        if inside:
            raise ValueError(f"\\{letter} is not portable inside brackets; hint: list the characters")
        return f"[^{_CLASSES[letter.lower()]}]"
    return "\\" + letter
