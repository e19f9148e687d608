"""The secrets that vendor tokens are signed with: from the environment, or from Systems Manager's Parameter Store.

One value holds one or two secrets, separated by white space: the current one, and the previous one while it is being
replaced. To change it, store `NEW OLD`, sign with NEW once every environment has read it (`KEPT_S`), and store `NEW`
alone when the last token of OLD has ended (`MAX_LIFETIME_S`).

`VENDOR_TOKEN_SECRETS` holds the value itself; the local stack sets it. In AWS, `VENDOR_TOKEN_SECRETS_PARAMETER` names a
SecureString, so that the value shows neither in the template nor in the function's configuration.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracker.errors import ConfigurationError

if TYPE_CHECKING:
    from tracker.settings import Settings

KEPT_S = 60.0
"""How long a value from Parameter Store is believed before it is read again."""
MIN_SECRET_CHARS = 32
"""Shorter ones could be guessed from a single token, offline."""
MAX_SECRETS = 2


@dataclass(frozen=True, slots=True)
class _Kept:
    parameter: str
    secrets: tuple[bytes, ...]
    until_s: float


_kept: _Kept | None = None


def token_secrets(settings: Settings) -> tuple[bytes, ...]:
    """Return the secrets that tokens are accepted from, the current one first.

    Raises `ConfigurationError` when there are none or they are too weak, and botocore's errors when Parameter Store
    does not give them: nobody is let in on a value that could not be renewed.
    """
    global _kept  # noqa: PLW0603  one value per execution environment is the point
    if settings.token_secrets:
        return parse_secrets(settings.token_secrets, "VENDOR_TOKEN_SECRETS")
    parameter = settings.require_token_secrets_parameter()
    kept = _kept
    if kept is None or kept.parameter != parameter or time.monotonic() >= kept.until_s:
        # Viewers, who are most of those who connect, pay nothing for AWS clients.
        from tracker.aws import ssm_get_secret  # noqa: PLC0415

        read_at_s = time.monotonic()
        secrets = parse_secrets(ssm_get_secret(parameter), f"the parameter {parameter}")
        kept = _kept = _Kept(parameter, secrets, read_at_s + KEPT_S)
    return kept.secrets


def forget_secrets() -> None:
    """Read Parameter Store again the next time."""
    global _kept  # noqa: PLW0603  see token_secrets
    _kept = None


def parse_secrets(value: str, where: str) -> tuple[bytes, ...]:
    """Return the secrets in `value`; raises `ConfigurationError`, which names `where` and never the secrets."""
    secrets = value.split()
    if not 1 <= len(secrets) <= MAX_SECRETS:
        raise ConfigurationError(
            f"{where} must hold one secret, or the current and the previous one separated by a space; "
            f"it holds {len(secrets)}"
        )
    if min(map(len, secrets)) < MIN_SECRET_CHARS:
        raise ConfigurationError(f"a secret in {where} has fewer than {MIN_SECRET_CHARS} characters")
    return tuple(secret.encode() for secret in secrets)
