"""Handlers that do next to nothing."""

import boto3

_clients = {}


def connect(event, context):
    """Everybody may connect; no I/O."""
    return {"statusCode": 200}


def post(event, context):
    """Post the message back to its sender with boto3, as most handlers do; the client is kept."""
    request = event["requestContext"]
    url = f"https://{request['domainName']}/{request['stage']}"
    if url not in _clients:
        _clients[url] = boto3.client("apigatewaymanagementapi", endpoint_url=url)
    _clients[url].post_to_connection(ConnectionId=request["connectionId"], Data=event["body"].encode())
    return {"statusCode": 200}


def reply(event, context):
    """Return the connection's id and the message: the gateway sends it as the route's response."""
    return {"statusCode": 200, "body": event["requestContext"]["connectionId"] + event["body"]}
