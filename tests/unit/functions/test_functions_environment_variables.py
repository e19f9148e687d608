from __future__ import annotations

import os
import site
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.functions.environment_variables import handler_environment, machine_variables, refuse_reserved
from simulator.stack.model import Function


def function(**overrides: Any) -> Function:
    settings: dict[str, Any] = {
        "logical_id": "Send",
        "name": "send",
        "arn": "arn:aws:lambda:eu-west-1:123456789012:function:send",
        "handler": "app.go",
        "runtime": "python3.12",
        "code_dir": Path("/code"),
        "memory_mb": 256,
    }
    return Function(**(settings | overrides))


def environment(variables: dict[str, str], machine: dict[str, str]) -> dict[str, str]:
    return handler_environment(
        function(),
        variables,
        region="eu-west-1",
        aws_endpoint_url="http://127.0.0.1:4000",
        lambda_url="http://127.0.0.1:4001",
        runtime_api="127.0.0.1:5000",
        runtime_dir="/runtime",
        log_stream="2024/03/12/[$LATEST]abc",
        home="/empty",
        machine=machine,
    )


def test_F04_the_whole_environment() -> None:
    assert environment({"TABLE": "t"}, {"PATH": "/bin"}) == {
        "AWS_ACCESS_KEY_ID": "AKIDSIMULATED0000000",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4000",
        "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:4001",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": "send",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/send",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2024/03/12/[$LATEST]abc",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:5000",
        "AWS_REGION": "eu-west-1",
        "AWS_SECRET_ACCESS_KEY": "simulated-secret",
        "AWS_SESSION_TOKEN": "simulated-token",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "HOME": "/empty",
        "LAMBDA_RUNTIME_DIR": "/runtime",
        "LAMBDA_TASK_ROOT": "/code",
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": "/code:/code/lib",
        "NO_PROXY": "127.0.0.1,localhost,::1,[::1]",
        "PATH": "/bin",
        "PYTHONPATH": "/code",
        "TABLE": "t",
        "TZ": ":UTC",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "_HANDLER": "app.go",
        "no_proxy": "127.0.0.1,localhost,::1,[::1]",
    }


def test_only_what_a_process_needs_is_taken_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "AWS_PROFILE": "dev", "USER": "me", "TMPDIR": "/t"})
    monkeypatch.setattr(sys, "path", ["/lib"])
    assert machine_variables() == {"PATH": "/bin", "TMPDIR": "/t"}


def test_F04_there_is_always_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(sys, "path", ["/lib"])
    assert machine_variables() == {"PATH": os.defpath}


def test_packages_of_a_user_installation_are_found_without_the_real_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": "/bin"})
    monkeypatch.setattr(site, "getusersitepackages", lambda: "/me/.local/lib/python/site-packages")
    monkeypatch.setattr(site, "getuserbase", lambda: "/me/.local")
    monkeypatch.setattr(sys, "path", ["/lib", "/me/.local/lib/python/site-packages"])
    assert machine_variables() == {"PATH": "/bin", "PYTHONUSERBASE": "/me/.local"}


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "AWS_TABLE_NAME", "AWS_ENDPOINT_URL", "LOG_LEVEL"])
def test_the_functions_own_variables_are_set(name: str) -> None:
    assert environment({name: "mine"}, {})[name] == "mine"


def test_own_python_path_comes_after_the_code_folder() -> None:
    assert environment({"PYTHONPATH": "/layer"}, {})["PYTHONPATH"] == "/code:/layer"


@pytest.mark.parametrize("name", ["AWS_REGION", "_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "AWS_SESSION_TOKEN"])
def test_F05_reserved_names_are_refused_naming_function_and_variable(name: str) -> None:
    with pytest.raises(InputError, match=f"Function Send sets {name}, which Lambda reserves"):
        refuse_reserved(function(environment={name: "x", "OK": "y"}))


@pytest.mark.parametrize("name", ["AWS_TABLE_NAME", "AWS_SQS_URL", "PATH", "TZ"])
def test_F05_other_names_are_allowed(name: str) -> None:
    refuse_reserved(function(environment={name: "x"}))
