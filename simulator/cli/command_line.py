"""The program itself: all commands together, and every error as one sentence."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import click

from simulator import __version__
from simulator.cli.clock import clock
from simulator.cli.connect import connect
from simulator.cli.faults import faults
from simulator.cli.options import debug_option
from simulator.cli.output import harmless
from simulator.cli.report import report
from simulator.cli.run import run
from simulator.cli.scale import scale
from simulator.cli.scenarios import scenarios
from simulator.cli.send import send
from simulator.cli.settings import settings
from simulator.cli.token import token
from simulator.cli.up import up
from simulator.cli.worker import worker
from simulator.errors import EnvironmentFailure, SimulatorError
from simulator.loopback import without_proxy

_INTERRUPTED = 130


def main() -> NoReturn:
    """The console script."""
    os.environ.update(without_proxy(os.environ))
    try:
        status = cli.main(standalone_mode=False)
    except SimulatorError as error:
        _fail(str(error), error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        _fail("stopped before anything was done.", _INTERRUPTED)
    except KeyboardInterrupt:
        _fail("interrupted.", _INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): nobody is left to tell, and nothing to flush to at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(_os_error_sentence(error), EnvironmentFailure.exit_code)
    except Exception as error:  # noqa: BLE001  the last line of defence: a bug is one sentence too
        _fail(f"unexpected {type(error).__name__}: {error}; run again with --debug for the traceback.", 1)
    sys.exit(status if isinstance(status, int) else 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tracker-sim")
@debug_option
def cli() -> None:
    """A local AWS for a live vendor map: run the tracker's real Lambda handlers, load them, and see what arrives."""


for command in (up, run, worker, scenarios, report, scale, send, connect, token, faults, clock, settings):
    cli.add_command(command)


def _fail(sentence: str, exit_code: int) -> NoReturn:
    if _debug_wanted():
        traceback.print_exc()
    click.echo(f"Error: {harmless(sentence)}", err=True)
    sys.exit(exit_code)


def _debug_wanted() -> bool:
    return "--debug" in sys.argv[1:]


def _os_error_sentence(error: OSError) -> str:
    import errno  # noqa: PLC0415

    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "no free file descriptors are left; raise the limit, for example with `ulimit -n 8192`, and try again."
    where = f" ({error.filename})" if error.filename else ""
    return f"the machine refused: {error.strerror or error}{where}; run again with --debug for the traceback."
