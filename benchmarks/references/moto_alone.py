"""Stock moto by its own server, ready once DynamoDB and SQS have answered: beside it a stack starts. A script.

Prints `{"port": N}` and ends when its stdin does.
"""

from __future__ import annotations

import json
import sys
import urllib.request

from moto.server import ThreadedMotoServer

_FIRST_CALLS = (("dynamodb", "DynamoDB_20120810.ListTables"), ("sqs", "AmazonSQS.ListQueues"))


def main() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    for service, target in _FIRST_CALLS:
        headers = {
            "X-Amz-Target": target,
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/{service}/aws4_request",
        }
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=b"{}", headers=headers)
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
    print(json.dumps({"port": port}), flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
