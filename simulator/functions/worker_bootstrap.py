"""The first lines of a worker process: die with the simulator, then be AWS's own runtime client.

Run as a file, never imported: the handler's process must not have the simulator's folder on its path. Standard input
is a pipe whose other end only the simulator holds; when the simulator ends, however it ends, the pipe ends too.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys


def _end_with_the_simulator(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # what the handler started ends as well, as in a real sandbox
    os._exit(0)


def _main() -> None:
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if os.environ.get("LC_CTYPE") == "C.UTF-8":
        del os.environ["LC_CTYPE"]  # Python's own doing where en_US.UTF-8 is not installed (PEP 538)
    # Below `threading`, so that a handler that counts its threads does not see ours.
    _thread.start_new_thread(_end_with_the_simulator, (pipe,))

    from awslambdaric.__main__ import main  # noqa: PLC0415  the watcher must run before the slow import

    main(sys.argv)


if __name__ == "__main__":
    _main()
