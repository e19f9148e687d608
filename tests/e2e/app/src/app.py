"""Handlers as people write them: clients made at import, the callback URL built from the event."""

import json
import os

import boto3

notes = boto3.resource("dynamodb").Table(os.environ["NOTES_TABLE"])
sqs = boto3.client("sqs")


def echo(event, context):
    """Answer through the URL that the event gives, and leave a job on the queue."""
    request = event["requestContext"]
    url = f"https://{request['domainName']}/{request['stage']}"
    body = json.loads(event["body"])
    if "JOBS_URL" in os.environ and "note" in body:
        sqs.send_message(QueueUrl=os.environ["JOBS_URL"], MessageBody=event["body"])
    management = boto3.client("apigatewaymanagementapi", endpoint_url=url)
    management.post_to_connection(ConnectionId=request["connectionId"], Data=json.dumps({"echo": body, "url": url}))
    return {"statusCode": 200}


def work(event, context):
    """Write each job into the table."""
    for record in event["Records"]:
        job = json.loads(record["body"])
        notes.put_item(Item={"id": job["note"], "text": job["text"]})


def read(event, context):
    """One note, or 404."""
    item = notes.get_item(Key={"id": event["pathParameters"]["id"]}).get("Item")
    return {"statusCode": 200, "body": json.dumps(item)} if item else {"statusCode": 404, "body": "{}"}
