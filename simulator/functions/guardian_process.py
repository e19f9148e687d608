"""The guardian process: remember process groups (`+GROUP`, `-GROUP`, one a line), kill what is left at the end.

Run as a file with the bare interpreter, never imported; see `simulator.functions.guardian`.
"""

from __future__ import annotations

import os
import signal


def _main() -> None:
    groups: set[int] = set()
    with os.fdopen(0, "rb") as orders:
        for order in orders:
            change = groups.add if order.startswith(b"+") else groups.discard
            change(int(order[1:]))
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    _main()
