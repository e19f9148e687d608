"""The stack: a SAM template, translated, resolved and frozen into what the simulator runs (`load_stack`)."""

from simulator.stack.loader import load_stack

__all__ = ["load_stack"]
