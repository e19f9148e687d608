"""The parent's side of the embedded AWS: start the child process, wait for it, provision it, notice its death."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import signal
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from simulator.cloud.clients import ACCESS_KEY, SECRET_KEY, Clients
from simulator.cloud.settings import CloudSettings
from simulator.cloud.sqs_calls import SqsCalls
from simulator.errors import EnvironmentFailure, InputError

if TYPE_CHECKING:
    from simulator.cloud.provisioning import Provisioned
    from simulator.stack.model import Stack

_log = logging.getLogger("simulator.cloud")

START_TIMEOUT_S = 60.0
ORDER_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0
_KEPT_LINES = 20


class Cloud:
    """DynamoDB, SQS and the rest of moto at `endpoint_url`; or an endpoint that somebody else runs.

    Start it early and use it late: `spawn()` returns at once, and the child loads moto while the parent does other
    things; `await ready()` is for just before the first call. `start()` is both. As a context manager it starts and
    stops itself.
    """

    def __init__(
        self,
        *,
        region: str,
        stock_moto: bool = False,
        endpoint_url: str | None = None,
        account_id: str = "123456789012",
        settings: CloudSettings | None = None,
    ) -> None:
        if endpoint_url is not None and urlsplit(endpoint_url).scheme not in ("http", "https"):
            raise InputError(f"the AWS endpoint '{endpoint_url}' is not a URL; write it as http://host:port.")
        self.region = region
        self._account_id = account_id
        self._stock_moto = stock_moto
        self._settings = settings or CloudSettings()
        self._external = endpoint_url is not None
        self._endpoint_url = endpoint_url
        self._clients = Clients(region)
        self._sqs: SqsCalls | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Task[str] | None = None
        self._warming: asyncio.Task[None] | None = None
        self._stderr: asyncio.Task[None] | None = None
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._stopping = False
        self._ordering = asyncio.Lock()

    # -- life ------------------------------------------------------------------------------------------------------

    async def spawn(self) -> None:
        """Start the child process (nothing, for an external endpoint); it loads moto in the background.

        Raises `EnvironmentFailure` when no process can be started.
        """
        if self._external or self._process is not None:
            return
        # -P: nothing in the user's folder is imported in place of a library.
        command = [sys.executable, "-P", "-m", "simulator.cloud.server"]
        command.append("--stock-moto" if self._stock_moto else json.dumps(dataclasses.asdict(self._settings)))
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the parent, which then stops the child in order
            )
        except OSError as error:
            raise EnvironmentFailure(
                f"the AWS process could not be started ({error.strerror}); free some processes or descriptors."
            ) from error
        self._stderr = asyncio.create_task(self._relay_stderr(self._process))
        self._ready = asyncio.create_task(self._until_ready(self._process))

    async def ready(self) -> str:
        """Wait until calls are answered; the endpoint URL. Raises `EnvironmentFailure` if the child ends instead."""
        if self._external:
            return self.endpoint_url
        if self._ready is None:
            raise RuntimeError("spawn() comes before ready()")
        return await asyncio.shield(self._ready)

    async def start(self) -> str:
        """`spawn` and `ready`."""
        await self.spawn()
        return await self.ready()

    async def provision(self, stack: Stack) -> Provisioned:
        """Create the tables and queues of `stack`; see `simulator.cloud.provisioning.provision`."""
        from simulator.cloud.provisioning import provision  # noqa: PLC0415  botocore is loaded by now

        dynamodb, sqs = await asyncio.to_thread(lambda: (self.client("dynamodb"), self.client("sqs")))
        return await provision(stack, dynamodb, sqs)

    async def died(self) -> EnvironmentFailure:
        """Returns when the child has ended without being told to, with the failure to report. Otherwise never."""
        if self._process is not None:
            status = await self._process.wait()
            if not self._stopping:
                return await self._failure("died", status)
        never: asyncio.Future[EnvironmentFailure] = asyncio.get_running_loop().create_future()
        return await never

    async def stop(self) -> None:
        """End the child process and close the clients. Harmless when there is nothing to stop."""
        self._stopping = True
        self._clients.close()
        sqs, self._sqs = self._sqs, None
        if sqs is not None:
            await sqs.close()
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        tasks = [task for task in (self._ready, self._warming, self._stderr) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # -- use -------------------------------------------------------------------------------------------------------

    @property
    def endpoint_url(self) -> str:
        """Known as soon as the child listens, which is well before it answers."""
        if self._endpoint_url is None:
            raise RuntimeError("the AWS endpoint is not known yet; await ready() first")
        return self._endpoint_url

    @property
    def pid(self) -> int | None:
        """The child's process id; None for an external endpoint or after `stop`."""
        return self._process.pid if self._process is not None else None

    def client(self, service: str) -> Any:
        """The client of `service` for this endpoint; made once, thread-safe."""
        return self._clients.client(service, self.endpoint_url)

    @property
    def sqs(self) -> SqsCalls:
        """SQS on the event loop, for those who call it all the time."""
        if self._sqs is None:
            self._sqs = SqsCalls(self.endpoint_url, self.region)
        return self._sqs

    def environment(self) -> dict[str, str]:
        """What boto3 in a function needs to reach this endpoint: URL, region and dummy credentials."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    async def order(self, order: dict[str, Any]) -> None:
        """Let the child switch a fault, see `FaultDoor.switch`.

        Raises `InputError` when there is no child, and `EnvironmentFailure` when it does not do it.
        """
        process = self._process
        if process is None or process.stdin is None:
            raise InputError(
                f"DynamoDB and SQS at {self._endpoint_url} are not the simulator's own, so nothing can be broken "
                "there; leave the fault out, or --aws-endpoint-url."
            )
        async with self._ordering:
            try:
                async with asyncio.timeout(ORDER_TIMEOUT_S):
                    process.stdin.write(json.dumps(order).encode() + b"\n")
                    await process.stdin.drain()
                    answer = await self._message(process, ended="ended")
            except (OSError, TimeoutError) as error:
                raise EnvironmentFailure(
                    "the AWS process does not take orders any more; start the stack again."
                ) from error
        if "failed" in answer:
            raise EnvironmentFailure(f"the AWS process could not do it ({answer['failed']}); please report this.")

    # -- the child -------------------------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        root = str(Path(__file__).resolve().parents[2])
        given = os.environ.get("PYTHONPATH")
        # A profile of the developer's own that moto's botocore cannot find would break every answer.
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **own,
            "PYTHONPATH": f"{root}{os.pathsep}{given}" if given else root,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MOTO_ACCOUNT_ID": self._account_id,
        }

    async def _until_ready(self, process: asyncio.subprocess.Process) -> str:
        """Read the child's two lines. Between them, make the clients: both sides load their libraries at once."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self._endpoint_url = f"http://127.0.0.1:{(await self._message(process))['port']}"
                self._warming = asyncio.create_task(asyncio.to_thread(self._warm_clients))
                await self._message(process)
                await self._warming
        except TimeoutError:
            raise EnvironmentFailure(
                f"the AWS process did not answer within {START_TIMEOUT_S:.0f} s; try again on a less busy machine."
            ) from None
        return self.endpoint_url

    def _warm_clients(self) -> None:
        for service in ("dynamodb", "sqs"):
            self.client(service)

    async def _message(
        self, process: asyncio.subprocess.Process, *, ended: str = "ended before it was ready"
    ) -> dict[str, Any]:
        assert process.stdout is not None  # noqa: S101  narrows for mypy; it was started with a pipe
        line = await process.stdout.readline()
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise await self._failure(ended, await process.wait())
        return message

    async def _failure(self, what: str, status: int) -> EnvironmentFailure:
        if self._stderr is not None:
            await asyncio.wait([self._stderr], timeout=1.0)
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        last = f": {self._lines[-1]}" if self._lines else ""
        return EnvironmentFailure(f"the AWS process {what} ({how}{last}); start the stack again.")

    async def _relay_stderr(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101  narrows for mypy; it was started with a pipe
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:
                continue  # a line beyond the reader's limit; the rest of it follows
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip()
            self._lines.append(text)
            _log.warning("%s", text)
