"""The secret of vendor tokens on the local stack: what stands in for Parameter Store there.

In AWS, the authorizer reads its secrets from the SecureString that `VENDOR_TOKEN_SECRETS_PARAMETER` names. Here a
secret is drawn for every start of a stack and handed to those functions as `VENDOR_TOKEN_SECRETS`. It does not come
from the stack's seed: whoever can reach the port could guess that. `tracker-sim token` finds it in the private note of
the running stack (`simulator.running`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from simulator.stack.model import Function

_VALUE = "VENDOR_TOKEN_SECRETS"
_PARAMETER = "VENDOR_TOKEN_SECRETS_PARAMETER"
_BYTES = 32


def secret_for(functions: Iterable[Function]) -> str | None:
    """The secret that tokens are signed with: the template's own, else a new one; None when no function wants any."""
    environments = [function.environment for function in functions]
    for environment in environments:
        if given := environment.get(_VALUE, "").split():
            return given[0]
    return secrets.token_urlsafe(_BYTES) if any(_PARAMETER in each for each in environments) else None


def secret_variables(function: Function, secret: str | None) -> Mapping[str, str]:
    """What a function is given besides its own variables, so that it need not ask Parameter Store."""
    if secret is None or _PARAMETER not in function.environment or function.environment.get(_VALUE):
        return {}
    return {_VALUE: secret}
