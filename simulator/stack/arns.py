"""How AWS spells the names of things: partitions, host suffixes, ARNs, and the ids we make up in their shape."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_API_ID_LENGTH = 10
_HASH_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Scope:
    """What every ARN of one stack has in common."""

    region: str
    account_id: str
    stack_name: str

    @property
    def partition(self) -> str:
        """The first field of its ARNs."""
        return partition(self.region)

    @property
    def url_suffix(self) -> str:
        """Domain under which the services' hosts live."""
        return url_suffix(self.region)

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        """An ARN of this account; IAM's have no region."""
        return f"arn:{self.partition}:{service}:{self.region if regional else ''}:{self.account_id}:{resource}"

    def generated_name(self, logical_id: str, longest: int, suffix: str = "") -> str:
        """The name of a resource that was given none: stack and logical id, the same each time.

        CloudFormation appends a random part; ours is left out so that names can be written into scripts. What would
        be longer than `longest` is cut and ends in a hash of the whole.
        """
        whole = f"{self.stack_name}-{logical_id}"
        if len(whole) + len(suffix) > longest:
            mark = hashlib.sha256(whole.encode()).hexdigest()[:_HASH_LENGTH]
            whole = f"{whole[: longest - len(suffix) - _HASH_LENGTH - 1]}-{mark}"
        return whole + suffix


def partition(region: str) -> str:
    """`aws`, or the partition of a Chinese or GovCloud region."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def url_suffix(region: str) -> str:
    """Domain under which a region's hosts live."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def short_id(*parts: str) -> str:
    """Ten lower-case letters and digits, the same for the same `parts`; the shape of an API id."""
    number = int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest())
    digits = []
    for _ in range(_API_ID_LENGTH):
        number, digit = divmod(number, len(_BASE_36))
        digits.append(_BASE_36[digit])
    return "".join(digits)
