"""What `Ref` and `Fn::GetAtt` give: names, URLs, ARNs and ids, all the same for the same template each time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from simulator.stack.arns import Scope, short_id
from simulator.stack.intrinsics import Resolver
from simulator.stack.parameters import ParameterValue
from simulator.stack.place import Place
from simulator.stack.resources import Resource

_NAMED: Mapping[str, tuple[str, int]] = {
    "AWS::DynamoDB::Table": ("TableName", 255),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", 128),
    "AWS::IAM::Role": ("RoleName", 64),
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::SQS::Queue": ("QueueName", 80),
}
"""Types whose `Ref` is (or contains) a name: the property that may give it, and its longest."""

_LONGEST_OTHER_NAME = 63


class StackReferences:
    """The names of one template; `resolver` and `resources` are set once both exist."""

    def __init__(self, parameters: Mapping[str, ParameterValue], scope: Scope, place: Place) -> None:
        self._parameters = parameters
        self._scope = scope
        self._place = place
        self._declared: Mapping[str, Any] = {}
        self._resources: Mapping[str, Resource] = {}
        self._resolver: Resolver | None = None
        self.warnings: list[str] = []
        """A sentence for each reference to something that is not simulated."""

    def attach(self, resolver: Resolver, declared: Mapping[str, Any], resources: Mapping[str, Resource]) -> None:
        """Say what the template declares, and which of it its conditions let in."""
        self._resolver, self._declared, self._resources = resolver, declared, resources

    # -- what the resolver asks ------------------------------------------------------------------------------------

    def ref(self, name: str, place: Place) -> Any:
        """See `References.ref`."""
        if name in self._parameters:
            return self._parameters[name]
        if name.startswith("AWS::"):
            return self._pseudo_parameter(name, place)
        resource = self._resource(name, place)
        by_type: dict[str, Callable[[Resource], str]] = {
            "AWS::ApiGatewayV2::Api": self.api_id,
            "AWS::ApiGatewayV2::Stage": lambda stage: self._text(stage, "StageName"),
            "AWS::Lambda::Alias": lambda alias: f"{self._function_arn(alias)}:{self._text(alias, 'Name')}",
            "AWS::Lambda::EventSourceMapping": lambda mapping: str(uuid.uuid5(uuid.NAMESPACE_OID, self.name(mapping))),
            "AWS::Lambda::Version": lambda version: f"{self._function_arn(version)}:1",
            "AWS::IAM::ManagedPolicy": lambda policy: self._arn("iam", f"policy/{self.name(policy)}", regional=False),
            "AWS::SQS::Queue": self.queue_url,
        }
        if resource.type in by_type:
            return by_type[resource.type](resource)
        if resource.type.startswith("AWS::ApiGatewayV2::"):
            return self.physical_id(resource)
        return self.name(resource)

    def attribute(self, logical_id: str, attribute: str, place: Place) -> Any:
        """See `References.attribute`."""
        resource = self._resource(logical_id, place)
        arns: dict[str, Callable[[str], str]] = {
            "AWS::DynamoDB::Table": lambda name: self._arn("dynamodb", f"table/{name}"),
            "AWS::IAM::Role": lambda name: self._arn("iam", f"role/{name}", regional=False),
            "AWS::Lambda::Function": self.function_arn,
            "AWS::Logs::LogGroup": lambda name: self._arn("logs", f"log-group:{name}:*"),
            "AWS::SQS::Queue": self.queue_arn,
        }
        if attribute == "Arn" and resource.type in arns:
            return arns[resource.type](self.name(resource))
        others: dict[tuple[str, str], Callable[[Resource], str]] = {
            ("AWS::ApiGatewayV2::Api", "ApiId"): self.api_id,
            ("AWS::ApiGatewayV2::Api", "ApiEndpoint"): self._api_endpoint,
            ("AWS::ApiGatewayV2::Authorizer", "AuthorizerId"): self.physical_id,
            ("AWS::ApiGatewayV2::Integration", "IntegrationId"): self.physical_id,
            ("AWS::ApiGatewayV2::Model", "ModelId"): self.physical_id,
            ("AWS::ApiGatewayV2::Route", "RouteId"): self.physical_id,
            ("AWS::Lambda::Alias", "AliasArn"): lambda alias: str(self.ref(alias.logical_id, place)),
            ("AWS::Lambda::Version", "FunctionArn"): lambda version: str(self.ref(version.logical_id, place)),
            ("AWS::Lambda::Version", "Version"): lambda _version: "1",
            ("AWS::SQS::Queue", "QueueName"): self.name,
            ("AWS::SQS::Queue", "QueueUrl"): self.queue_url,
        }
        if (resource.type, attribute) in others:
            return others[resource.type, attribute](resource)
        stand_in = self._arn(resource.type.split("::")[1].lower(), f"{logical_id}/{attribute}")
        self.warnings.append(
            place.sentence(f"{logical_id}.{attribute} ({resource.type}) is not simulated; {stand_in} stands for it.")
        )
        return stand_in

    # -- names -----------------------------------------------------------------------------------------------------

    def name(self, resource: Resource) -> str:
        """The physical name: the one the template gives, or one made from stack and logical id."""
        name_property, longest = _NAMED.get(resource.type, ("", _LONGEST_OTHER_NAME))
        given = self._text(resource, name_property) if name_property else ""
        if given:
            return given
        fifo = resource.type == "AWS::SQS::Queue" and self._text(resource, "FifoQueue").lower() == "true"
        return self._scope.generated_name(resource.logical_id, longest, ".fifo" if fifo else "")

    def api_id(self, api: Resource) -> str:
        """The id that stands in front of `.execute-api`."""
        return short_id(self._scope.stack_name, api.logical_id)

    def physical_id(self, resource: Resource) -> str:
        """The id of a part of an API: a route, an integration, a deployment."""
        return short_id(self._scope.stack_name, resource.type, resource.logical_id)

    def queue_url(self, queue: Resource) -> str:
        """A queue's URL in AWS spelling."""
        host = f"sqs.{self._scope.region}.{self._scope.url_suffix}"
        return f"https://{host}/{self._scope.account_id}/{self.name(queue)}"

    def queue_arn(self, name: str) -> str:
        """A queue's ARN."""
        return self._arn("sqs", name)

    def function_arn(self, name: str) -> str:
        """A function's unqualified ARN."""
        return self._arn("lambda", f"function:{name}")

    # -- parts -----------------------------------------------------------------------------------------------------

    def _arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        return self._scope.arn(service, resource, regional=regional)

    def _function_arn(self, resource: Resource) -> str:
        given = self._text(resource, "FunctionName")
        return given if given.startswith("arn:") else self.function_arn(given)

    def _api_endpoint(self, api: Resource) -> str:
        scheme = "wss" if self._text(api, "ProtocolType") == "WEBSOCKET" else "https"
        return f"{scheme}://{self.api_id(api)}.execute-api.{self._scope.region}.{self._scope.url_suffix}"

    def _text(self, resource: Resource, name: str) -> str:
        if self._resolver is None:
            raise RuntimeError("attach() comes before any reference to a resource")
        return resource.properties(self._resolver).text(name)

    def _resource(self, logical_id: str, place: Place) -> Resource:
        if logical_id in self._resources:
            return self._resources[logical_id]
        if logical_id in self._declared:
            raise place.error(f"refers to {logical_id}, which its condition leaves out; guard this with Fn::If.")
        raise place.error(f"refers to {logical_id}, which the template does not define; define it or correct the name.")

    def _pseudo_parameter(self, name: str, place: Place) -> Any:
        scope = self._scope
        values: dict[str, Any] = {
            "AWS::AccountId": scope.account_id,
            "AWS::NotificationARNs": [],
            "AWS::Partition": scope.partition,
            "AWS::Region": scope.region,
            "AWS::StackId": scope.arn(
                "cloudformation", f"stack/{scope.stack_name}/{uuid.uuid5(uuid.NAMESPACE_OID, scope.stack_name)}"
            ),
            "AWS::StackName": scope.stack_name,
            "AWS::URLSuffix": scope.url_suffix,
        }
        if name not in values:
            raise place.error(f"refers to {name}, which is not a pseudo parameter; correct the name.")
        return values[name]
