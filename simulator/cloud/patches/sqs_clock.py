"""Stock moto makes a datetime for each look at a message's age, several times a message; a float will do."""

from __future__ import annotations

import time

from moto.sqs.models import Message, SQSBackend

from simulator.cloud.patches.patching import Patching


def apply(patching: Patching) -> None:
    """The same comparisons on `time.time()`."""

    def visible(self: Message) -> bool:
        return time.time() * 1000 > self.visible_at

    def delayed(self: Message) -> bool:
        return time.time() * 1000 < self.delayed_until

    def within_retention(self: SQSBackend, queue_name: str, message: Message) -> bool:
        retention_s = int(vars(self.get_queue(queue_name))["message_retention_period"])
        return retention_s + (message.sent_timestamp or 0) / 1000 > time.time()

    patching.replace(Message, "visible", property(visible))
    patching.replace(Message, "delayed", property(delayed))
    patching.replace(SQSBackend, "is_message_valid_based_on_retention_period", within_retention)
