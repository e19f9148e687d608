"""From a template file to a frozen `Stack`: read, translate, resolve, build."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from simulator.errors import InputError
from simulator.stack.api_parts import ApiAssembly
from simulator.stack.arns import Scope
from simulator.stack.asynchronous import with_asynchronous
from simulator.stack.functions import FunctionIndex, build_function
from simulator.stack.http_apis import build_http_api
from simulator.stack.intrinsics import REMOVED, Resolver
from simulator.stack.model import Function, HttpApi, Queue, Stack, Table, Trigger, WebSocketApi
from simulator.stack.names import StackReferences
from simulator.stack.parameters import as_text, parameter_values
from simulator.stack.place import Place
from simulator.stack.queues import build_queue, tie_dead_letter_queues
from simulator.stack.resources import Resource, resources_of, support_warnings
from simulator.stack.sam import PlainTemplate, plain_template
from simulator.stack.tables import build_table
from simulator.stack.translation_cache import TranslationCache, cache_key, default_cache_dir
from simulator.stack.triggers import build_trigger
from simulator.stack.websocket_apis import build_websocket_api

_SECTIONS = frozenset(
    {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Resources"}
    | {"Outputs", "Transform", "Globals", "Rules"}
)

STACK_NAME = "local"
"""`AWS::StackName`: names of functions and of whatever the template leaves unnamed begin with it."""

Named = TypeVar("Named", Table, Queue, Function)


def load_stack(
    template: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    region: str = "us-east-1",
    account_id: str = "123456789012",
    cache_dir: Path | None = None,
) -> Stack:
    """Read a SAM or CloudFormation template (YAML or JSON) as the stack the simulator can run.

    `parameters` override the template's defaults. Code folders are relative to the template. The translation is kept
    in `cache_dir`, or in this user's cache folder.

    Raises `InputError`, one sentence naming file, resource and property, for a file that cannot be read, a parameter
    without a value, and anything that cannot be simulated without misleading; the rest is told in `Stack.warnings`.
    """
    place = Place(template)
    source = _read(place)
    scope = Scope(region, account_id, STACK_NAME)
    given = dict(parameters or {})
    cache = TranslationCache(cache_dir or default_cache_dir())
    key = cache_key(source, given, scope)
    plain = cache.read(key)
    if plain is None:
        plain = _translated(source, given, scope, place)
        cache.write(key, plain)
    return _Assembly(plain, given, scope, place).stack()


def _read(place: Place) -> bytes:
    try:
        return place.template.read_bytes()
    except FileNotFoundError as error:
        raise place.error("there is no such file; give the path of a template.") from error
    except OSError as error:
        raise place.error(f"cannot be read ({error.strerror}); give the path of a template.") from error


def _translated(source: bytes, given: Mapping[str, str], scope: Scope, place: Place) -> PlainTemplate:
    from simulator.stack.template_file import parse_template  # noqa: PLC0415  YAML is only needed without a cached result

    parsed = parse_template(source, place)
    unknown = sorted(set(parsed) - _SECTIONS)
    if unknown:
        raise place.at(unknown[0]).error("is not a section of a template; correct the name or the indentation.")
    _, texts = parameter_values(_section(parsed, "Parameters", place), given, place)
    plain = plain_template(parsed, texts, scope, place)
    rules = parsed.get("Rules")
    if not rules:
        return plain
    return PlainTemplate(
        plain.template, plain.code, (*plain.warnings, place.at("Rules").sentence("rules are not evaluated here."))
    )


def _section(template: Mapping[str, Any], name: str, place: Place) -> Mapping[str, Any]:
    section = template.get(name) or {}
    if not isinstance(section, Mapping):
        raise place.at(name).error("must be a mapping.")
    return section


class _Assembly:
    """Builds one stack out of one plain template."""

    def __init__(self, plain: PlainTemplate, given: Mapping[str, str], scope: Scope, place: Place) -> None:
        self._plain, self._scope, self._place = plain, scope, place
        template = plain.template
        values, _ = parameter_values(_section(template, "Parameters", place), given, place)
        self._names = StackReferences(values, scope, place)
        self._resolver = Resolver(
            self._names, _section(template, "Conditions", place), _section(template, "Mappings", place)
        )
        # Conditions only see parameters, so they can be decided before any resource is known.
        self._resources = resources_of(template, self._resolver.condition, place)
        self._names.attach(self._resolver, template["Resources"], self._resources)
        self._warnings = [*plain.warnings]

    def stack(self) -> Stack:
        """Build everything, checking what spans several resources on the way."""
        gathered = support_warnings(self._resources)
        tables = tuple(
            build_table(resource, resource.properties(self._resolver), self._names)
            for resource in self._of_type("AWS::DynamoDB::Table")
        )
        queues = self._queues()
        functions = self._functions(queues)
        self._refuse_doubled_names(tables)
        self._refuse_doubled_names(queues)
        index = FunctionIndex(functions)
        triggers = self._triggers(index, queues)
        websocket_apis, http_apis = self._apis(index)
        outputs = self._outputs()
        return Stack(
            template=self._place.template,
            region=self._scope.region,
            account_id=self._scope.account_id,
            tables=tables,
            queues=queues,
            functions=functions,
            websocket_apis=websocket_apis,
            http_apis=http_apis,
            triggers=triggers,
            outputs=outputs,
            warnings=tuple(dict.fromkeys([*self._warnings, *self._names.warnings, *gathered])),
        )

    def _functions(self, queues: tuple[Queue, ...]) -> tuple[Function, ...]:
        resources = self._of_type("AWS::Lambda::Function")
        properties = {resource.logical_id: resource.properties(self._resolver) for resource in resources}
        built = tuple(
            build_function(
                resource,
                properties[resource.logical_id],
                self._names,
                self._plain.code.get(resource.logical_id),
                self._resolver,
            )
            for resource in resources
        )
        self._refuse_doubled_names(built)
        configs = [each.properties(self._resolver) for each in self._of_type("AWS::Lambda::EventInvokeConfig")]
        return with_asynchronous(built, properties, configs, queues, self._warnings)

    def _of_type(self, kind: str) -> list[Resource]:
        return [resource for resource in self._resources.values() if resource.type == kind]

    def _queues(self) -> tuple[Queue, ...]:
        resources = self._of_type("AWS::SQS::Queue")
        properties = {resource.logical_id: resource.properties(self._resolver) for resource in resources}
        built = {
            resource.logical_id: build_queue(resource, properties[resource.logical_id], self._names)
            for resource in resources
        }
        return tie_dead_letter_queues(built, properties)

    def _refuse_doubled_names(self, built: tuple[Named, ...]) -> None:
        seen: dict[str, str] = {}
        for item in built:
            if item.name in seen:
                place = self._place.resource(item.logical_id)
                raise place.error(f"has the same name as {seen[item.name]}, '{item.name}'; rename one.")
            seen[item.name] = item.logical_id

    def _triggers(self, index: FunctionIndex, queues: tuple[Queue, ...]) -> tuple[Trigger, ...]:
        by_arn = {queue.arn: queue for queue in queues}
        triggers: list[Trigger] = []
        wired: set[tuple[str, str]] = set()
        for resource in self._of_type("AWS::Lambda::EventSourceMapping"):
            built = build_trigger(resource, resource.properties(self._resolver), index, by_arn, self._warnings)
            if built is None:
                continue
            if (built.queue, built.function) in wired:
                raise resource.place.error(f"maps {built.queue} to {built.function} a second time; remove one mapping.")
            wired.add((built.queue, built.function))
            triggers.append(built)
        return tuple(triggers)

    def _apis(self, index: FunctionIndex) -> tuple[tuple[WebSocketApi, ...], tuple[HttpApi, ...]]:
        assembly = ApiAssembly(self._resources, self._resolver, self._names)
        websocket_apis: list[WebSocketApi] = []
        http_apis: list[HttpApi] = []
        for resource in self._of_type("AWS::ApiGatewayV2::Api"):
            properties = resource.properties(self._resolver)
            protocol = properties.text("ProtocolType", "HTTP" if properties.value("Body") else "")
            if protocol == "WEBSOCKET":
                websocket_apis.append(
                    build_websocket_api(resource, properties, self._names, assembly, index, self._warnings)
                )
            elif protocol == "HTTP":
                http_apis.append(build_http_api(resource, properties, self._names, assembly, index))
            else:
                raise properties.error("ProtocolType", f"must be WEBSOCKET or HTTP, and is '{protocol}'.")
        return tuple(websocket_apis), tuple(http_apis)

    def _outputs(self) -> dict[str, str]:
        """The outputs whose conditions hold. One that cannot be worked out here is a warning: nothing depends on it."""
        outputs: dict[str, str] = {}
        for name, body in _section(self._plain.template, "Outputs", self._place).items():
            place = self._place.named("output", name)
            if not isinstance(body, Mapping) or "Value" not in body:
                raise place.error("must be a mapping with a Value.")
            condition = body.get("Condition")
            if condition is not None and not self._resolver.condition(str(condition), place):
                continue
            try:
                value = self._resolver.resolve(body["Value"], place)
            except InputError as error:
                reason = re.sub(rf"^{re.escape(place.sentence(''))}", "", str(error))
                self._warnings.append(place.sentence(f"is left out: {reason}"))
                continue
            if value is not REMOVED:
                outputs[str(name)] = ", ".join(value) if isinstance(value, list) else as_text(value)
        return outputs
