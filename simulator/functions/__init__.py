"""Lambda execution environments: handlers run as Lambda runs them, in worker processes or, for breakpoints, here."""

from simulator.functions.pool import FunctionPool, runtime_client_installed

__all__ = ["FunctionPool", "runtime_client_installed"]
