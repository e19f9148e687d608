"""Everything the simulator can refuse or fail with, as one tree.

::

    SimulatorError            base; `str(error)` is one sentence with the next step, `exit_code` is the process's
    ├── InputError            the user's file, option or template is wrong (exit 2)
    └── EnvironmentFailure    a port is taken, a child process died, descriptors ran out (exit 1)
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Base of all errors the command line shows as one sentence; a traceback only appears with ``--debug``."""

    exit_code = 1


class InputError(SimulatorError):
    """What the user gave (a file, an option, a template) cannot be used; the sentence names it and the remedy."""

    exit_code = 2


class EnvironmentFailure(SimulatorError):
    """The machine or a child process failed us: port in use, no descriptors left, the cloud process died."""

    exit_code = 1
