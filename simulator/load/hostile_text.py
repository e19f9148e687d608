"""Text from outside, on its way to a terminal: vendor names, close reasons, frames and log lines may hold anything."""

from __future__ import annotations


def printable(text: str, limit: int = 200) -> str:
    r"""The text with everything a terminal could obey written as an escape, cut to `limit` characters.

    Escape sequences, line breaks and the marks that turn the writing direction are not printable.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
