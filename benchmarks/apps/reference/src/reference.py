"""The reference system's handlers in boto3's terms: pages of 25 rows, all posts of an update at once, by 32 threads."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import boto3
from botocore.config import Config

THREADS = 32
PAGE_ROWS = 25

table = boto3.resource("dynamodb").Table(os.environ["CONNECTIONS_TABLE"])
pool = ThreadPoolExecutor(THREADS)


@cache
def management():
    config = Config(max_pool_connections=THREADS)
    return boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["MANAGEMENT_URL"], config=config)


def connect(event, context):
    table.put_item(Item={"connectionId": event["requestContext"]["connectionId"]})
    return {"statusCode": 200}


def disconnect(event, context):
    table.delete_item(Key={"connectionId": event["requestContext"]["connectionId"]})
    return {"statusCode": 200}


def send(event, context):
    """Each record to each connection; the table is read again for each."""
    for record in event["Records"]:
        list(pool.map(partial(post, record["body"].encode()), connection_ids()))


def post(body, connection_id):
    management().post_to_connection(ConnectionId=connection_id, Data=body)


def connection_ids():
    request = {"Limit": PAGE_ROWS}
    while True:
        page = table.scan(**request)
        for item in page["Items"]:
            yield item["connectionId"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
