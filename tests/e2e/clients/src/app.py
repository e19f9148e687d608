"""Accepts the last subprotocol that is offered, echoes, and says how a connection ended."""

import json
import os

import boto3

sqs = boto3.client("sqs")


def accept(event, context):
    headers = {name.lower(): value for name, value in event["headers"].items()}
    if headers.get("x-refuse"):
        return {"statusCode": int(headers["x-refuse"])}
    offered = headers.get("sec-websocket-protocol")
    chosen = {"Sec-WebSocket-Protocol": offered.split(",")[-1].strip()} if offered else {}
    return {"statusCode": 200, "headers": chosen}


def echo(event, context):
    answer = {"connectionId": event["requestContext"]["connectionId"], "body": event.get("body")}
    return {"statusCode": 200, "body": json.dumps(answer)}


def left(event, context):
    request = event["requestContext"]
    ended = {"connectionId": request["connectionId"], "code": request["disconnectStatusCode"]}
    sqs.send_message(
        QueueUrl=os.environ["CLOSED_URL"], MessageBody=json.dumps({**ended, "reason": request["disconnectReason"]})
    )
    return {"statusCode": 200}
