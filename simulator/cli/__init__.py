"""The command line, `tracker-sim`: options in, the rooms do the work. A file for each command.

Data goes to stdout, everything else to stderr. Exit codes: 0 success, 1 the run or the machine failed, 2 wrong usage or
bad input. Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from simulator.cli.command_line import cli, main

__all__ = ["cli", "main"]
