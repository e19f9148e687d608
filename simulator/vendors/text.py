"""Text from outside, made safe to carry: kept as data, never longer than its place allows."""

from __future__ import annotations

import unicodedata

TWEET_LIMIT = 280
"""Characters of a tweet (code points here; Twitter weighs some scripts double)."""

_DROPPED = {"Cs", "Cn", "Co"}
# Bidirectional overrides and isolates reorder whatever is printed after them; other format characters (the joiners
# inside emoji) are part of honest text.
_REORDERING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0xFEFF}


def clean_text(text: str, limit: int) -> str:
    r"""Return `text` on one line, without control characters, lone surrogates and text-direction overrides.

    Runs of white space become one space. What is longer than `limit` characters ends in an ellipsis at `limit`.
    Markup is left alone: it is for whoever shows the text to escape it.

    >>> clean_text("Tacos\x1b[31m\n & more", 280)
    'Tacos [31m & more'
    """
    spaced = "".join(_carried(character) for character in text)
    line = " ".join(spaced.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _carried(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "" if category in _DROPPED or ord(character) in _REORDERING else character
