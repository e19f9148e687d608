"""One WebSocket API as the rules see it, with ids and time that the test decides."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from simulator.gateway.actions import InvokeRoute
from simulator.gateway.core import Handshake, WebSocketCore
from simulator.gateway.ids import IdFactory
from simulator.gateway.moment import Moment
from simulator.gateway.proxy_result import ProxyResult
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.throttling import AccountThrottle
from simulator.stack.model import Throttle, WebSocketApi, WebSocketRoute

EVENTS = Path(__file__).parents[2] / "events"
DOMAIN = "127.0.0.1:8080"


@pytest.fixture
def sample_event() -> Callable[[str], Any]:
    """Read `tests/events/{name}.json`."""
    return lambda name: json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def ids() -> IdFactory:
    return IdFactory(random.Random(20240312).getrandbits)


@pytest.fixture
def make_core(ids: IdFactory) -> Callable[..., WebSocketCore]:
    """A core with the named routes; a value of `routes` may override fields of its route, `changes` are settings."""

    def make(
        routes: Mapping[str, Mapping[str, Any]] | None = None,
        expression: str = "$request.body.action",
        throttle: Throttle | None = None,
        **changes: Any,
    ) -> WebSocketCore:
        wanted = {"$connect": {}, "$disconnect": {}, "sendvendor": {}} if routes is None else routes
        api = WebSocketApi(
            logical_id="Sockets",
            api_id="k3v9q2d7xa",
            name="sockets",
            stage="primary",
            route_selection_expression=expression,
            routes={
                key: WebSocketRoute(key=key, function=f"on-{key.strip('$')}", **more) for key, more in wanted.items()
            },
            throttle=throttle,
        )
        settings = GatewaySettings(**changes)
        return WebSocketCore(
            api,
            DOMAIN,
            ids,
            account_id="123456789012",
            region="us-east-1",
            settings=settings,
            account=AccountThrottle(settings),
        )

    return make


@pytest.fixture
def open_connection() -> Callable[..., str]:
    """Connect to a core all the way and give the connection id."""

    def connect(core: WebSocketCore, now_ms: int = 1_000) -> str:
        now = Moment(now_ms, now_ms / 1000)
        connection_id, actions = core.handshake(Handshake(headers=[], query=[], source_ip="198.51.100.7"), now)
        if isinstance(actions[0], InvokeRoute):
            core.connect_returned(connection_id, ProxyResult(200), now)
        return connection_id

    return connect
