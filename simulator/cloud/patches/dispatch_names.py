"""Stock moto lists the methods of a handler class by introspection on every request, a tenth of its time."""

from __future__ import annotations

import functools

from moto.core import responses

from simulator.cloud.patches.patching import Patching


def apply(patching: Patching) -> None:
    """List them once for each class."""
    names = functools.cache(vars(responses)["method_names_from_class"])
    patching.replace(responses, "method_names_from_class", names)
