"""SAM into plain CloudFormation, by AWS's own translator, without a network and without an account.

Importing the translator takes more than a second, so this module imports it only when it translates.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.stack.arns import Scope
from simulator.stack.place import Place

TRANSFORM = "AWS::Serverless-2016-10-31"
_PREFIX = "AWS::Serverless::"
_TYPES = frozenset({"Function", "WebSocketApi", "HttpApi", "SimpleTable"})
_EVENTS = frozenset({"HttpApi", "SQS"})
_ELSEWHERE = "s3://simulated/code"
"""Stands in for code while translating; the translator wants it uploaded."""


@dataclass(frozen=True, slots=True)
class PlainTemplate:
    """A template without SAM in it. Only JSON values, so that it can be kept in a file."""

    template: Mapping[str, Any]
    code: Mapping[str, Any]
    """Function's logical id to its unresolved CodeUri or Code as written; absent when it was not given."""
    warnings: tuple[str, ...]


def plain_template(source: dict[str, Any], parameters: Mapping[str, str], scope: Scope, place: Place) -> PlainTemplate:
    """`source` as plain CloudFormation; itself when there is no SAM in it.

    Raises `InputError` for transforms and SAM types that are not simulated, and for what the translator refuses.
    """
    resources = source.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise place.error("has no Resources section with at least one resource; add what shall be run.")
    transforms = source.get("Transform", [])
    for transform in transforms if isinstance(transforms, list) else [transforms]:
        if transform != TRANSFORM:
            raise place.at("Transform").error(f"'{transform}' is not simulated; only {TRANSFORM} is.")
    serverless = {
        logical_id: body
        for logical_id, body in resources.items()
        if isinstance(body, dict) and str(body.get("Type", "")).startswith(_PREFIX)
    }
    code = _written_code(source, resources)
    if not serverless:
        plain = {key: value for key, value in source.items() if key not in ("Transform", "Globals")}
        return PlainTemplate(plain, code, ())
    if not transforms:
        raise place.at("Transform").error(f"is missing although there are {_PREFIX}… resources; add {TRANSFORM}.")
    for logical_id, body in serverless.items():
        kind = body["Type"].removeprefix(_PREFIX)
        if kind not in _TYPES:
            known = ", ".join(sorted(_TYPES))
            raise place.resource(logical_id).error(f"{body['Type']} is not simulated; of SAM, {known} are.")
    prepared = copy.deepcopy(source)
    warnings = _prepare_functions(prepared, place)
    return PlainTemplate(_translate(prepared, parameters, scope, place), code, tuple(warnings))


def _written_code(source: Mapping[str, Any], resources: Mapping[str, Any]) -> dict[str, Any]:
    """Where each function's code is, as the template says it."""
    shared = source.get("Globals")
    function_globals = shared.get("Function") if isinstance(shared, Mapping) else None
    default = function_globals.get("CodeUri") if isinstance(function_globals, Mapping) else None
    code: dict[str, Any] = {}
    for logical_id, body in resources.items():
        properties = body.get("Properties") if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(properties, Mapping):
            continue
        if body.get("Type") == "AWS::Lambda::Function":
            code[logical_id] = properties.get("Code")
        elif body.get("Type") == f"{_PREFIX}Function":
            inline = {"ZipFile": properties["InlineCode"]} if "InlineCode" in properties else None
            code[logical_id] = inline or properties.get("CodeUri", default)
    return {logical_id: written for logical_id, written in code.items() if written is not None}


def _prepare_functions(template: dict[str, Any], place: Place) -> list[str]:
    """Point the code elsewhere, and take out the event kinds that nothing here would raise."""
    warnings: list[str] = []
    shared = template.get("Globals")
    if isinstance(shared, dict) and isinstance(shared.get("Function"), dict):
        shared["Function"].pop("CodeUri", None)
    for logical_id, body in template["Resources"].items():
        if not isinstance(body, dict) or body.get("Type") != f"{_PREFIX}Function":
            continue
        properties = body.setdefault("Properties", {})
        here = place.resource(logical_id)
        if not isinstance(properties, dict):
            raise here.at("Properties").error("must be a mapping.")
        if properties.get("PackageType") == "Image" or "ImageUri" in properties:
            raise here.at("PackageType").error("container images are not simulated; give a folder and a Handler.")
        properties.pop("InlineCode", None)
        properties["CodeUri"] = _ELSEWHERE
        events = properties.get("Events")
        if not isinstance(events, dict):
            continue
        for name, event in list(events.items()):
            kind = event.get("Type") if isinstance(event, dict) else None
            if isinstance(kind, str) and kind not in _EVENTS:
                del events[name]
                text = f"{kind} events are not simulated; nothing invokes the function for them."
                warnings.append(here.at("Events").at(name).sentence(text))
    return warnings


def _translate(template: dict[str, Any], parameters: Mapping[str, str], scope: Scope, place: Place) -> dict[str, Any]:
    from samtranslator.model.exceptions import ExceptionWithMessage, InvalidDocumentException  # noqa: PLC0415  slow
    from samtranslator.parser.parser import Parser  # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # noqa: PLC0415
    from samtranslator.utils.py27hash_fix import (  # noqa: PLC0415
        to_py27_compatible_template,
        undo_mark_unicode_str_in_template,
    )

    log = logging.getLogger("samtranslator")
    level = log.level
    log.setLevel(logging.CRITICAL)  # its complaints come as exceptions too, and those we show
    translator = Translator({}, Parser(), boto_session=_Region(scope.region))
    try:
        values = dict(parameters)
        to_py27_compatible_template(template, values)
        translated = undo_mark_unicode_str_in_template(translator.translate(template, values))
    except InvalidDocumentException as error:
        causes = list(error.causes) or [error]
        first = getattr(causes[0], "message", str(causes[0]))
        more = f" (and {len(causes) - 1} more)" if len(causes) > 1 else ""
        raise place.error(f"{_one_sentence(first)}{more}") from error
    except ExceptionWithMessage as error:
        raise place.error(_one_sentence(error.message)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # What the translator trips over is a malformed template that it does not check for.
        raise place.error(
            f"the SAM translator cannot make sense of it ({type(error).__name__}: {error}); check it with cfn-lint."
        ) from error
    finally:
        translator.metrics.publish()  # to nobody; unpublished ones would complain on stderr when they are collected
        log.setLevel(level)
    if not isinstance(translated, dict):
        raise place.error("the SAM translator made nothing of it; check it with cfn-lint.")
    return translated


def _one_sentence(message: str) -> str:
    return re.sub(r"\s+", " ", message).strip().rstrip(".") + "."


@dataclass(frozen=True, slots=True)
class _Region:
    """All that the translator asks of a boto3 session."""

    region_name: str
