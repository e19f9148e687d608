"""The environment variables a handler sees (F04), and nothing else of the developer's own environment.

Set always: the names Lambda sets, dummy credentials, `AWS_ENDPOINT_URL`, and the function's own variables. Taken from
the machine: only what a process needs to run at all (`MACHINE_VARIABLES`). `HOME` is an empty folder, because boto3
reads `~/.aws` even when credentials are set, and a developer's profile must not reach a handler.

Different from AWS: `AWS_XRAY_DAEMON_ADDRESS` is loopback, so that a tracing SDK sends nothing to the network, and
`NO_PROXY` names loopback, so that a proxy of the function's or the machine's own does not get what is meant for here.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping

from simulator.errors import InputError
from simulator.loopback import without_proxy
from simulator.stack.model import Function

DUMMY_CREDENTIALS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "AKIDSIMULATED0000000",
    "AWS_SECRET_ACCESS_KEY": "simulated-secret",
    "AWS_SESSION_TOKEN": "simulated-token",
}
MACHINE_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONUSERBASE", "NO_PROXY", "no_proxy")
RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""Names that a function may not set itself; AWS refuses the deployment (F05)."""


def machine_variables() -> dict[str, str]:
    """What a handler's process takes over from this one."""
    variables = {"PATH": os.defpath}
    variables |= {name: os.environ[name] for name in MACHINE_VARIABLES if name in os.environ}
    if site.getusersitepackages() in sys.path:
        # Installed with `pip install --user`: without the real HOME the worker would not find its packages.
        variables["PYTHONUSERBASE"] = site.getuserbase()
    return variables


def harmless_aws(*, region: str, aws_endpoint_url: str, lambda_url: str, home: str) -> dict[str, str]:
    """What keeps boto3 away from AWS, and from the developer's own credentials."""
    return {
        **DUMMY_CREDENTIALS,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": aws_endpoint_url,
        "AWS_ENDPOINT_URL_LAMBDA": lambda_url,
        "AWS_REGION": region,
        "HOME": home,
    }


def refuse_reserved(function: Function) -> None:
    """Raise `InputError` when the template sets a variable that Lambda reserves (F05)."""
    reserved = sorted(RESERVED.intersection(function.environment))
    if reserved:
        raise InputError(
            f"Function {function.logical_id} sets {', '.join(reserved)}, which Lambda reserves and a deployment "
            "would refuse; remove it from Environment.Variables in the template."
        )


def handler_environment(
    function: Function,
    variables: Mapping[str, str],
    *,
    region: str,
    aws_endpoint_url: str,
    lambda_url: str,
    runtime_api: str,
    runtime_dir: str,
    log_stream: str,
    home: str,
    machine: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment of one execution environment of `function`.

    `variables` are the function's own, already pointing at this machine; they may also override credentials, region
    and `AWS_ENDPOINT_URL`, and add `AWS_CA_BUNDLE`. `machine` is what `machine_variables` gives. A `PYTHONPATH` of the
    function's own comes after the code folder, where shared libraries are looked for as well. `_X_AMZN_TRACE_ID` is set
    for each event.
    """
    code_dir = str(function.code_dir)
    environment = {
        **machine,
        **harmless_aws(region=region, aws_endpoint_url=aws_endpoint_url, lambda_url=lambda_url, home=home),
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, [code_dir, f"{code_dir}/lib", machine.get("LD_LIBRARY_PATH")])),
        "TZ": ":UTC",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        **variables,
    }
    environment |= without_proxy(environment)
    own_path = variables.get("PYTHONPATH")
    return environment | {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_RUNTIME_DIR": runtime_dir,
        "LAMBDA_TASK_ROOT": code_dir,
        "PYTHONPATH": f"{code_dir}{os.pathsep}{own_path}" if own_path else code_dir,
        "_HANDLER": function.handler,
    }
