"""Changes to moto that its users would notice: calls that take seconds, races, and answers that AWS would not give.

Each patch is a module with one `apply(patching)`, whose docstring says what stock moto does wrong. It is applied only
to the moto versions it was proved on: there its answers were compared with stock moto's on random operations.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from importlib import metadata

from simulator.cloud.patches.patching import Patching
from simulator.cloud.settings import CloudSettings

_log = logging.getLogger(__name__)

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch module and the versions of moto it is for."""

    module: str
    first: Version = (5, 2, 5)
    last: Version = (5, 2, 5)

    def proved_on(self, version: str) -> bool:
        """Whether it may be applied to this moto."""
        return self.first <= parse_version(version) <= self.last


PATCHES: tuple[Patch, ...] = (
    Patch("dispatch_names"),
    Patch("forget_instances"),
    Patch("dynamodb_item_limit"),
    Patch("dynamodb_batch_limit"),
    Patch("dynamodb_values"),
    Patch("dynamodb_projection"),
    Patch("dynamodb_expressions"),
    Patch("dynamodb_json"),
    Patch("dynamodb_lock"),
    Patch("dynamodb_pages"),
    Patch("dynamodb_capacity"),
    Patch("event_source_mappings"),
    Patch("sqs_attributes"),
    Patch("sqs_json"),
    Patch("sqs_handles"),
    Patch("sqs_deleted_handles"),
    Patch("sqs_backlog"),
    Patch("sqs_fifo_send"),
    Patch("sqs_fifo_delete"),
    Patch("sqs_dead_letters"),
    Patch("sqs_in_flight"),
    Patch("sqs_lock"),
    Patch("sqs_message_size"),
    Patch("sqs_receive"),
)
"""In the order they are applied. `sqs_lock` wraps the methods as the patches before it left them; `sqs_receive` builds
on it, and adds waiting to what `sqs_backlog`, `sqs_dead_letters` and `sqs_in_flight` made of one look at a queue."""


def parse_version(text: str) -> Version:
    """`5.2.5` or `5.2.5.dev1` as the numbers in front."""
    numbers = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def installed_moto() -> str:
    """The version of moto in this environment."""
    return metadata.version("moto")


def apply_patches(
    patches: tuple[Patch, ...] = PATCHES, *, version: str | None = None, settings: CloudSettings | None = None
) -> Patching:
    """Apply what was proved on this moto; what was not is skipped, with a line in the log."""
    patching = Patching(settings)
    version = version or installed_moto()
    for patch in patches:
        if not patch.proved_on(version):
            first, last = (".".join(map(str, end)) for end in (patch.first, patch.last))
            proved = first if first == last else f"{first} to {last}"
            _log.warning("moto %s: left out the patch %s, which was proved on %s only", version, patch.module, proved)
            continue
        importlib.import_module(f"simulator.cloud.patches.{patch.module}").apply(patching)
    return patching
