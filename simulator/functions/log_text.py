"""Text from handlers made fit for a log: one line stays one line, whatever is in it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from simulator.functions.faults import describe

MAX_LINE_CHARS = 16_384
"""Longer output lines arrive in pieces of this size; Lambda's own limit is 256 KB."""
MAX_MESSAGE_CHARS = 2_000
MAX_TRACE_LINES = 100
_BIDI_CONTROLS = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    r"""`text` with every control character but the tab escaped (`\x1b`, `\n`, `\u202e` …)."""
    if text.isprintable():
        return text
    return "".join(_escaped(c) if _breaks_a_log(c) else c for c in text)


def failure_entry(function: str, request_id: str, origin: str, payload: bytes) -> str:
    """The log entry for one failed invocation: a line that names it, then the traceback, indented."""
    error_type, message, trace = describe(payload)
    shown = [printable(line.replace("\u00a0", " ")) for line in trace[-MAX_TRACE_LINES:]]
    if len(trace) > len(shown):
        shown.insert(0, f"… {len(trace) - len(shown)} earlier lines")
    head = (
        f"function={printable(function)} requestId={printable(request_id)} {printable(origin)}".rstrip()
        + f" {printable(error_type)}: {printable(_shortened(message))}"
    )
    return "\n    ".join([head, *shown])


def error_lines(payload: bytes) -> str:
    """What AWS's runtime client prints about a failed invocation (F20)."""
    error_type, message, trace = describe(payload)
    return "\n".join([f"[ERROR] {error_type}: {message}", "Traceback (most recent call last):", *trace]) + "\n"


def load_failure_sentence(function: str, handler: str, code_dir: str, payload: bytes) -> str:
    """One sentence for a handler that cannot be imported, with the next step."""
    error_type, message, _ = describe(payload)
    return (
        f"Function {printable(function)} cannot be loaded (handler {printable(handler)} in {printable(code_dir)}): "
        f"{printable(error_type)}: {printable(_shortened(message))}. "
        "Correct the code; the next invocation loads it again."
    )


class LineSplitter:
    r"""Cuts a byte stream into text lines at ``\n`` and ``\r`` (the runtime client joins a traceback with ``\r``)."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes."""
        text = self._rest + self._decoder.decode(data)
        *lines, self._rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            yield from _pieces(line)
        while len(self._rest) >= MAX_LINE_CHARS:
            yield _clean(self._rest[:MAX_LINE_CHARS])
            self._rest = self._rest[MAX_LINE_CHARS:]

    def end(self) -> Iterator[str]:
        """What is left when the stream ends."""
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        yield from _pieces(rest)


def _pieces(line: str) -> Iterator[str]:
    for start in range(0, len(line), MAX_LINE_CHARS):
        yield _clean(line[start : start + MAX_LINE_CHARS])


def _clean(line: str) -> str:
    return printable(line.replace("\u00a0", " "))


def _shortened(text: str) -> str:
    if len(text) <= MAX_MESSAGE_CHARS:
        return text
    return f"{text[:MAX_MESSAGE_CHARS]}… ({len(text)} characters)"


def _breaks_a_log(character: str) -> bool:
    if character == "\t":
        return False
    return ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 or character in _BIDI_CONTROLS or _lone(character)  # noqa: PLR2004


def _lone(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
