"""Lambda functions: what to run, from which folder, with which environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.stack.intrinsics import REMOVED, Resolver
from simulator.stack.model import Function
from simulator.stack.names import StackReferences
from simulator.stack.parameters import as_text
from simulator.stack.place import Place
from simulator.stack.resources import Properties, Resource

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RUNTIME = re.compile(r"python3\.\d+")
_HANDLER = re.compile(r"[^\s.]+(\.[^\s.]+)+")
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

_RESERVED = frozenset(
    {"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV"}
    | {"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"}
    | {"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"}
    | {"AWS_LAMBDA_RUNTIME_API", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    | {"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"}
)
"""Names Lambda sets itself and refuses in a function's settings (F05)."""

_MAX_ENVIRONMENT_BYTES = 4_096
DEFAULT_TIMEOUT_S = 3


def build_function(
    resource: Resource, properties: Properties, names: StackReferences, code: Any, resolver: Resolver
) -> Function:
    """One function. `code` is the unresolved CodeUri or Code of the template as it was written.

    Raises `InputError` for what cannot be run here: another language, a container image, code that is not a folder.
    """
    if properties.text("PackageType", "Zip") != "Zip":
        raise properties.error("PackageType", "container images are not simulated; give a folder and a Handler.")
    name = names.name(resource)
    if not _NAME.fullmatch(name):
        raise properties.error("FunctionName", f"'{name}' must be 1 to 64 letters, digits, underscores and hyphens.")
    runtime = properties.required("Runtime")
    if not _RUNTIME.fullmatch(runtime):
        raise properties.error("Runtime", f"'{runtime}' cannot be run here; only python3.x can.")
    handler = properties.required("Handler")
    if not _HANDLER.fullmatch(handler):
        raise properties.error("Handler", f"'{handler}' must be written as module.function.")
    return Function(
        logical_id=resource.logical_id,
        name=name,
        arn=names.function_arn(name),
        handler=handler,
        runtime=runtime,
        code_dir=_code_dir(code, resolver, resource.place),
        timeout_s=properties.integer("Timeout", DEFAULT_TIMEOUT_S, 1, 900),
        memory_mb=properties.integer("MemorySize", 128, 128, 10_240),
        environment=_environment(properties),
        reserved_concurrency=properties.optional_integer("ReservedConcurrentExecutions", 0, 1_000_000),
    )


def _code_dir(code: Any, resolver: Resolver, place: Place) -> Path:
    here = place.at("CodeUri")
    if isinstance(code, Mapping) and "ZipFile" in code:
        raise here.error("code written into the template is not simulated; put it into a file and name its folder.")
    value = resolver.resolve(code, here)
    if value is REMOVED or value is None:
        value = "."
    if not isinstance(value, str) or value.startswith("s3://"):
        raise here.error("code that lies in S3 cannot be run here; name a folder beside the template.")
    folder = (place.template.parent / value).resolve()
    if not folder.is_dir():
        kind = "is not a folder" if folder.exists() else "does not exist"
        raise here.error(f"{folder} {kind}; correct the path, which is relative to the template.")
    return folder


def _environment(properties: Properties) -> dict[str, str]:
    inside = properties.inside("Environment")
    variables = inside.mapping("Variables")
    here = inside.place.at("Variables")
    environment: dict[str, str] = {}
    for name, value in variables.items():
        if name in _RESERVED:
            raise here.at(name).error("is set by Lambda itself and cannot be given; rename it.")
        if not _VARIABLE.fullmatch(name):
            raise here.at(name).error("is not a name for a variable: a letter, then letters, digits and underscores.")
        if isinstance(value, dict | list) or value is None:
            raise here.at(name).error("must be a text.")
        environment[name] = as_text(value)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in environment.items())
    if size > _MAX_ENVIRONMENT_BYTES:
        raise here.error(f"take {size} bytes and Lambda allows {_MAX_ENVIRONMENT_BYTES}; shorten them.")
    return environment


class FunctionIndex:
    """Finds a function of the stack by name, ARN, partial ARN or integration URI."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self._by_name = {function.name: function for function in functions}

    def find(self, reference: str, place: Place) -> Function:
        """The function that `reference` means; a version or alias in it is left aside, since all run the same code."""
        within = re.search(r":lambda:path/[^/]+/functions/(.+)/invocations$", reference)
        text = within[1] if within else reference
        _, marker, name = text.partition(":function:")
        if not marker:
            name = text
        function = self._by_name.get(name.split(":")[0])
        if function is None:
            raise place.error(f"'{reference}' is not a function of this template; add it or correct the reference.")
        return function
