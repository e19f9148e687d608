"""What the simulator does with each resource type and each of its properties: the tables behind every warning.

A property is in one of five groups. *Simulated*: a builder reads it. *Nothing to simulate*: it describes or manages
the resource and has no behaviour of its own, so nothing is said. *No effect here*: it has one in AWS and none here,
and is named in the stack's one gathered sentence. *Missed*: its absence can change what a handler sees, so it gets a
sentence of its own. *Refused*: running without it would mislead (an authorizer that lets everybody in).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Support:
    """The property groups of one resource type."""

    simulated: frozenset[str]
    nothing_to_simulate: frozenset[str] = frozenset()
    no_effect_here: frozenset[str] = frozenset()
    no_effect_inside: frozenset[tuple[str, ...]] = frozenset()
    """The same of what stands deeper: path from the property down; `*` is any name."""
    missed: Mapping[str, str] = field(default_factory=dict)
    """Property to what its absence means."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Property to why, and what to do."""

    def known(self) -> frozenset[str]:
        """Every property of this type that has a group."""
        return self.simulated | self.nothing_to_simulate | self.no_effect_here | set(self.missed) | set(self.refused)


_DESCRIPTION = frozenset({"Description", "Tags"})
_OBSERVATION = ("DataTraceEnabled", "DetailedMetricsEnabled", "LoggingLevel")
"""Route settings about metrics and logs."""
_REWRITING = frozenset(
    {"ContentHandlingStrategy", "IntegrationSubtype", "RequestParameters", "RequestTemplates", "ResponseParameters"}
    | {"TemplateSelectionExpression", "ConnectionId", "TlsConfig"}
)
"""Integration properties that change what the function sees, or where the call goes."""

SUPPORT: Mapping[str, Support] = {
    "AWS::DynamoDB::Table": Support(
        simulated=frozenset(
            {"TableName", "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput"}
            | {"GlobalSecondaryIndexes", "LocalSecondaryIndexes", "TimeToLiveSpecification"}
        ),
        nothing_to_simulate=_DESCRIPTION,
        no_effect_here=frozenset(
            {"PointInTimeRecoverySpecification", "SSESpecification", "DeletionProtectionEnabled", "TableClass"}
            | {"ContributorInsightsSpecification", "OnDemandThroughput", "WarmThroughput", "ResourcePolicy"}
        ),
        missed={
            "StreamSpecification": "changes of this table are not streamed to anything here.",
            "KinesisStreamSpecification": "changes of this table are not streamed to anything here.",
        },
        refused={"ImportSourceSpecification": "importing from S3 is not simulated; fill the table yourself."},
    ),
    "AWS::SQS::Queue": Support(
        simulated=frozenset(
            {"QueueName", "DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "RedrivePolicy"}
            | {"ReceiveMessageWaitTimeSeconds", "VisibilityTimeout", "FifoQueue", "ContentBasedDeduplication"}
            | {"DeduplicationScope", "FifoThroughputLimit"}
        ),
        nothing_to_simulate=_DESCRIPTION,
        no_effect_here=frozenset(
            {"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled", "RedriveAllowPolicy"}
        ),
    ),
    "AWS::Lambda::Function": Support(
        simulated=frozenset(
            {"FunctionName", "Code", "Handler", "Runtime", "Timeout", "MemorySize", "Environment", "PackageType"}
            | {"ReservedConcurrentExecutions", "DeadLetterConfig"}
        ),
        nothing_to_simulate=_DESCRIPTION | {"Role"},
        no_effect_here=frozenset(
            {"Architectures", "CodeSigningConfigArn", "EphemeralStorage", "KmsKeyArn"}
            | {"LoggingConfig", "RecursiveLoop", "RuntimeManagementConfig", "SnapStart", "TracingConfig", "VpcConfig"}
        ),
        missed={
            "Layers": "layers are not added; install what they hold into the simulator's environment.",
            "FileSystemConfigs": "no file system is mounted.",
        },
        refused={"ImageConfig": "container images are not simulated; give a folder in CodeUri and a Handler."},
    ),
    "AWS::Lambda::EventInvokeConfig": Support(
        simulated=frozenset({"FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig"}),
        nothing_to_simulate=frozenset({"Qualifier"}),
    ),
    "AWS::Lambda::EventSourceMapping": Support(
        simulated=frozenset(
            {"EventSourceArn", "FunctionName", "BatchSize", "MaximumBatchingWindowInSeconds", "Enabled"}
            | {"FunctionResponseTypes", "ScalingConfig", "FilterCriteria", "ProvisionedPollerConfig"}
        ),
        nothing_to_simulate=_DESCRIPTION,
        no_effect_here=frozenset({"KmsKeyArn", "MetricsConfig", "LoggingConfig"}),
    ),
    "AWS::ApiGatewayV2::Api": Support(
        simulated=frozenset(
            {"Name", "ProtocolType", "RouteSelectionExpression", "Body", "CorsConfiguration", "IpAddressType"}
        ),
        nothing_to_simulate=_DESCRIPTION | {"Version", "FailOnWarnings", "BasePath"},
        # DisableSchemaValidation lets AWS deploy a model that is no schema; here it would fail at the first message.
        no_effect_here=frozenset({"DisableExecuteApiEndpoint", "DisableSchemaValidation"}),
        refused={
            "ApiKeySelectionExpression": "API keys are not simulated and everybody would be let in; remove it.",
            "BodyS3Location": "a definition in S3 cannot be read here; put it into the template as Body.",
            "CredentialsArn": "quick create is not simulated; write the route and the integration out.",
            "RouteKey": "quick create is not simulated; write the route and the integration out.",
            "Target": "quick create is not simulated; write the route and the integration out.",
        },
    ),
    "AWS::ApiGatewayV2::Route": Support(
        simulated=frozenset(
            {"ApiId", "RouteKey", "Target", "RouteResponseSelectionExpression", "AuthorizationType", "AuthorizerId"}
            | {"ApiKeyRequired", "RequestModels", "ModelSelectionExpression"}
        ),
        nothing_to_simulate=frozenset({"OperationName"}),
        missed={"RequestParameters": "required request parameters are not checked."},
        refused={
            "AuthorizationScopes": "JWT authorizers are not simulated and everybody would be let in; remove it.",
        },
    ),
    "AWS::ApiGatewayV2::Authorizer": Support(
        simulated=frozenset(
            {"ApiId", "AuthorizerType", "AuthorizerUri", "AuthorizerPayloadFormatVersion", "EnableSimpleResponses"}
            | {"AuthorizerResultTtlInSeconds", "IdentitySource", "JwtConfiguration", "Name"}
        ),
        nothing_to_simulate=frozenset({"AuthorizerCredentialsArn", "IdentityValidationExpression"}),
    ),
    "AWS::ApiGatewayV2::Model": Support(
        simulated=frozenset({"ApiId", "ContentType", "Name", "Schema"}),
        nothing_to_simulate=_DESCRIPTION,
    ),
    "AWS::ApiGatewayV2::Integration": Support(
        simulated=frozenset(
            {"ApiId", "IntegrationType", "IntegrationUri", "PayloadFormatVersion", "TimeoutInMillis", "ConnectionType"}
        ),
        nothing_to_simulate=_DESCRIPTION | {"IntegrationMethod", "CredentialsArn", "PassthroughBehavior"},
        refused=dict.fromkeys(_REWRITING, "rewriting events on their way is not simulated; remove it to run here."),
    ),
    "AWS::ApiGatewayV2::Stage": Support(
        simulated=frozenset({"ApiId", "StageName", "StageVariables", "DefaultRouteSettings", "RouteSettings"}),
        nothing_to_simulate=_DESCRIPTION | {"AutoDeploy", "DeploymentId"},
        no_effect_here=frozenset({"AccessLogSettings", "AccessPolicyId"}),
        no_effect_inside=frozenset(
            {("DefaultRouteSettings", name) for name in _OBSERVATION}
            | {("RouteSettings", "*", name) for name in _OBSERVATION}
        ),
        refused={"ClientCertificateId": "client certificates are not simulated; remove it."},
    ),
    "AWS::ApiGatewayV2::RouteResponse": Support(
        simulated=frozenset({"ApiId", "RouteId", "RouteResponseKey"}),
        nothing_to_simulate=frozenset({"ModelSelectionExpression"}),
        missed={
            "ResponseModels": "replies are not validated against models.",
            "ResponseParameters": "reply parameters are not mapped.",
        },
    ),
    "AWS::Lambda::Alias": Support(
        simulated=frozenset({"FunctionName", "Name"}),
        nothing_to_simulate=_DESCRIPTION | {"FunctionVersion"},
        missed={
            "RoutingConfig": "every call runs the code of the folder.",
            "ProvisionedConcurrencyConfig": "environments start when they are needed.",
        },
    ),
    "AWS::Lambda::Version": Support(
        simulated=frozenset({"FunctionName"}),
        nothing_to_simulate=_DESCRIPTION | {"CodeSha256", "RuntimePolicy"},
        missed={"ProvisionedConcurrencyConfig": "environments start when they are needed."},
    ),
}

INERT: Mapping[str, str] = {
    "AWS::ApiGateway::Account": "API Gateway account settings",
    "AWS::ApiGatewayV2::Deployment": "deployments",
    "AWS::CloudWatch::Alarm": "alarms",
    "AWS::CloudWatch::CompositeAlarm": "alarms",
    "AWS::CloudWatch::Dashboard": "dashboards",
    "AWS::IAM::ManagedPolicy": "IAM roles and policies",
    "AWS::IAM::Policy": "IAM roles and policies",
    "AWS::IAM::Role": "IAM roles and policies",
    "AWS::Lambda::Permission": "Lambda permissions",
    "AWS::Logs::LogGroup": "log groups",
    "AWS::Logs::MetricFilter": "metric filters",
    "AWS::SQS::QueuePolicy": "queue policies",
    "AWS::CDK::Metadata": "CDK metadata",
}
"""Types that do nothing a handler or a client could see, with the name they have in the gathered sentence."""

REFUSED_TYPES: Mapping[str, str] = {
    "AWS::CloudFormation::Stack": "nested stacks are not simulated; give the nested template itself.",
    "AWS::CloudFormation::Macro": "macros are not simulated; write their result out.",
}
"""Types without which the rest would mislead."""

RESOURCE_ATTRIBUTES = frozenset(
    {"Type", "Properties", "Condition", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"}
    | {"CreationPolicy", "UpdatePolicy", "Connectors", "IgnoreGlobals"}
)
"""What may stand beside `Properties`."""
