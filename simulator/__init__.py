"""A local AWS around the tracker: gateway, functions, triggers and tables on one machine, and the load to try them."""

from __future__ import annotations

__version__ = "0.1.0"
