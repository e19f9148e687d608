"""What is particular to running handlers inside the simulator's own process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from simulator.errors import EnvironmentFailure
from simulator.functions import FunctionPool, in_process
from simulator.functions.plain_runtime import PLAIN, best_runtime
from simulator.invocation import InvokeRefusedError
from simulator.stack.model import Function

SAMPLE_CODE = Path(__file__).with_name("sample_code")


def sample(handler: str, **overrides: Any) -> Function:
    settings: dict[str, Any] = {"name": "sample", "code_dir": SAMPLE_CODE, "timeout_s": 20}
    return Function(logical_id="S", arn="arn", handler=handler, runtime="python3.11", **(settings | overrides))


async def call(pool: FunctionPool, event: Any = None, name: str = "sample") -> Any:
    return json.loads((await pool.invoke(name, json.dumps(event).encode())).payload)


async def test_equal_module_names_of_two_folders_do_not_meet(make_pool, tmp_path: Path) -> None:
    functions = []
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "shared").mkdir(parents=True)
        (folder / "shared" / "__init__.py").write_text(f"NAME = {name!r}\n")
        (folder / "handler.py").write_text(
            "def go(event, context):\n    from shared import NAME\n    import late\n    return [NAME, late.NAME]\n"
        )
        (folder / "late.py").write_text(f"NAME = 'late {name}'\n")
        functions.append(sample("handler.go", name=name, code_dir=folder))
    pool = await make_pool(*functions, in_process=True)
    for _ in range(2):
        assert await call(pool, name="one") == ["one", "late one"]
        assert await call(pool, name="two") == ["two", "late two"]


async def test_the_interpreter_is_left_as_it_was(make_pool) -> None:
    before = (dict(os.environ), list(sys.path), sys.stdout, "app" in sys.modules)
    pool = await make_pool("app.echo", in_process=True)
    await call(pool)
    assert (list(sys.path), "app" in sys.modules) == (before[1], before[3])
    await pool.stop()
    assert (dict(os.environ), sys.stdout) == (before[0], before[2])


RUNS_ON = """
import json, os, socket

def go(event, context):
    with socket.create_connection(("127.0.0.1", event["port"])) as peer:
        peer.sendall(b"0\\n")
        peer.recv(1)
        peer.sendall(json.dumps({n: v for n, v in os.environ.items() if n.startswith("AWS_")}).encode() + b"\\n")
"""


async def test_a_handler_that_runs_on_after_its_timeout_never_sees_the_developers_credentials(
    make_pool, rendezvous, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that is stepped through with a debugger."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-real-one")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    (tmp_path / "runs_on.py").write_text(RUNS_ON)
    pool = await make_pool(sample("runs_on.go", code_dir=tmp_path, timeout_s=1), in_process=True)
    answer = asyncio.create_task(call(pool, {"port": rendezvous.port}))
    _, reader, writer = await asyncio.wait_for(rendezvous.arrived.get(), 10)
    assert (await answer)["errorType"] == "Sandbox.Timedout"
    writer.write(b"x")
    seen = json.loads(await asyncio.wait_for(reader.readline(), 10))
    assert "AWS_PROFILE" not in seen
    assert seen["AWS_SECRET_ACCESS_KEY"] == "simulated-secret"
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"


async def test_a_module_of_the_interpreters_own_under_the_same_name_is_kept_apart_and_comes_back(
    make_pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ModuleType("app")
    monkeypatch.setitem(sys.modules, "app", own)
    pool = await make_pool("app.count", in_process=True)
    assert (await call(pool))["calls"] == 1
    assert sys.modules["app"] is own


async def test_one_invocation_at_a_time(make_pool, rendezvous) -> None:
    pool = await make_pool("app.meet", sample("app.count", name="other"), in_process=True)
    first = asyncio.create_task(call(pool, {"port": rendezvous.port}))
    await rendezvous.next_pid()
    second = asyncio.create_task(call(pool, name="other"))
    await asyncio.wait([second], timeout=0.05)
    assert not second.done()
    await rendezvous.release()
    assert (await first)["pid"] == os.getpid()
    assert (await second)["calls"] == 1


async def test_handlers_print_to_standard_error(make_pool, capsys: pytest.CaptureFixture[str]) -> None:
    pool = await make_pool("app.output", in_process=True)
    await call(pool)
    sys.stdout.write("a result\n")
    printed = capsys.readouterr()
    assert printed.out == "a result\n"
    assert "to stdout é\n" in printed.err


async def test_import_is_tried_again_after_the_code_is_corrected(make_pool, tmp_path: Path) -> None:
    code = tmp_path / "fixable.py"
    code.write_text("import nothing_like_it\n")
    pool = await make_pool(sample("fixable.go", code_dir=tmp_path), in_process=True)
    assert (await call(pool))["errorType"] == "Runtime.ImportModuleError"
    code.write_text("def go(event, context):\n    return 'works'\n")
    assert await call(pool) == "works"


async def test_a_second_pool_in_process_is_refused(make_pool) -> None:
    await make_pool("app.echo", in_process=True)
    with pytest.raises(EnvironmentFailure, match="Another stack of this process runs its functions in process"):
        await make_pool("app.echo", in_process=True)


async def test_stop_refuses_what_runs_and_waits(make_pool, rendezvous) -> None:
    pool = await make_pool("app.meet", in_process=True)
    calls = [asyncio.create_task(call(pool, {"port": rendezvous.port})) for _ in range(2)]
    await rendezvous.next_pid()
    await pool.stop()
    for each in calls:
        with pytest.raises(InvokeRefusedError, match="being stopped"):
            await each


@pytest.mark.parametrize(
    "handler",
    ["app.describe_context", "app.fail", "app.recurse", "app.unserialisable", "app.decimal_result", "nowhere.go"],
)
@pytest.mark.skipif(best_runtime() is PLAIN, reason="awslambdaric is not installed here")
async def test_without_awslambdaric_results_have_the_same_shape(
    make_pool, monkeypatch: pytest.MonkeyPatch, handler: str
) -> None:
    """The stand-in classes give what AWS's give, but for ids, times and the encoder's own words."""
    shapes = []
    for runtime in (best_runtime(), PLAIN):
        monkeypatch.setattr(in_process, "best_runtime", lambda r=runtime: r)
        pool = await make_pool(handler, in_process=True)
        answer = await call(pool, {})
        await pool.stop()
        shapes.append({k: v for k, v in answer.items() if k in {"errorType", "n"}} | {"keys": sorted(answer)})
    assert shapes[0] == shapes[1]
