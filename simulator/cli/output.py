"""What is written: nothing that a peer or a handler said may drive the terminal."""

from __future__ import annotations

import logging
import sys

import click


def harmless(text: str) -> str:
    """`text` without anything but line breaks and tabs that a terminal obeys: it may quote a peer or a handler."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def write_line(line: str) -> None:
    """Print one line of data now, whoever reads it."""
    click.echo(line)
    sys.stdout.flush()


class HarmlessFormatter(logging.Formatter):
    """See `harmless`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        return harmless(super().format(record))


def set_up_logging(*, quiet: bool) -> None:
    """Log to stderr; with `quiet` without what the functions print."""
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(
        HarmlessFormatter("%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    )
    logging.basicConfig(level=logging.INFO, handlers=[to_stderr])
    for chatty in ("botocore", "boto3", "urllib3", "asyncio", "samtranslator", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if quiet:
        logging.getLogger("simulator.functions.output").setLevel(logging.WARNING)
