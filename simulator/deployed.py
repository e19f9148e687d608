"""A stack that runs already, somewhere: found by the name it was deployed under, or by a file that says where it is."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from simulator.endpoints import Endpoints
from simulator.errors import EnvironmentFailure, InputError
from simulator.stack_outputs import StackAddresses, addresses_of, read_outputs, region_of

_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}|arn:aws[a-z-]*:cloudformation:\S+")
_ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
_TIMEOUT_S = 10.0


def find_stack(target: str, region: str | None = None) -> StackAddresses | Endpoints:
    """The stack that `target` names: a file, or else the name (or ARN) of a stack in CloudFormation.

    A file has what `tracker-sim up --json` or `aws cloudformation describe-stacks` prints. Without `region` it is the
    one that the addresses name, else that of the user's AWS settings. Raises InputError, one sentence, when there is no
    such stack or nothing in it can be used, and EnvironmentFailure when AWS does not answer.
    """
    file = Path(target)
    if file.is_file():
        return _from_file(file, region)
    if os.sep in target or target.endswith(".json") or not _STACK_NAME.fullmatch(target):
        raise InputError(
            f"--target {target} is neither a file nor a stack's name; give the name of a CloudFormation stack, or a "
            f"file with what `aws cloudformation describe-stacks` or `tracker-sim up --json` prints."
        )
    return _from_cloudformation(target, region)


def _from_file(file: Path, region: str | None) -> StackAddresses | Endpoints:
    try:
        with file.open(encoding="utf-8") as stream:
            document = json.loads(stream.read(_ANSWER_LIMIT_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"--target {file} cannot be read ({error}); give a file of JSON.") from error
    if isinstance(document, dict) and "queue_urls" in document:
        try:
            return Endpoints.from_json(document)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"--target {file} is not whole ({error!r}); write it with `tracker-sim up --json > {file}`."
            ) from error
    try:
        outputs = read_outputs(document)
    except ValueError as error:
        raise InputError(f"--target {file} {error}.") from error
    return _usable(outputs, str(file), region or region_of(outputs))


def _from_cloudformation(name: str, region: str | None) -> StackAddresses:
    session = boto3.session.Session(region_name=region)
    if session.region_name is None:
        raise InputError(f"no AWS region is set, in which --target {name} would be looked for; give --region.")
    retries: Any = {"total_max_attempts": 3, "mode": "standard"}
    client = session.client(
        "cloudformation", config=Config(connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries=retries)
    )
    try:
        answer = client.describe_stacks(StackName=name)
    except NoCredentialsError as error:
        raise InputError(
            f"--target {name} is a stack in AWS, and no credentials were found for it; set AWS_PROFILE."
        ) from error
    except ClientError as error:
        raise InputError(
            f"--target {name} cannot be described in {session.region_name} "
            f"({error.response['Error'].get('Message', error)}); correct the name, --region or AWS_PROFILE."
        ) from error
    except BotoCoreError as error:
        raise EnvironmentFailure(f"CloudFormation in {session.region_name} does not answer ({error}).") from error
    finally:
        client.close()
    return _usable(read_outputs(answer), name, session.region_name)


def _usable(outputs: dict[str, str], where: str, region: str | None) -> StackAddresses:
    region = region or boto3.session.Session().region_name
    if region is None:
        raise InputError(f"no AWS region is set, and --target {where} names none; give --region.")
    found = addresses_of(outputs, region)
    missing = [
        what
        for what, there in (
            ("WebSocketUrl (wss://…)", found.websocket_url),
            ("VendorQueueUrl", found.queue_urls),
            ("VendorsTableName", found.tables),
        )
        if not there
    ]
    if missing:
        raise InputError(
            f"--target {where} has no output {' or '.join(missing)}; give the stack outputs named as in the tracker's "
            f"template.yaml."
        )
    return found
