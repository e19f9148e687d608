"""A module that takes far too long to load, the first time."""

import os
import time

import probe

_IMPORTS = f"{os.environ['AWS_LAMBDA_FUNCTION_NAME']} import"

probe.keep(_IMPORTS, {"kind": "import"})
if len(probe._query(_IMPORTS)) == 1:
    time.sleep(60)


def handler(event, context):
    """Return something."""
    return "loaded"
