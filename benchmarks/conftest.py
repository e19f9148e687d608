"""What every benchmark shares: an environment without the developer's AWS, one way to measure, one table at the end."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from tracker import aws

OURS, REFERENCE = "ours", "reference"


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark; medians over its rounds, except for the server's CPU, which is a total divided by all rounds."""

    group: str
    name: str
    role: str
    """`ours` or `reference`."""
    unit: str
    """What is counted: post, row."""
    units_per_s: float
    client_cpu_us_per_unit: float
    server_cpu_us_per_unit: float


RESULTS = pytest.StashKey[list[Result]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[pytest.MonkeyPatch]:
    """Dummy credentials, no `.env` file, no proxy, the tracker's own defaults; put back at the end."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.delenv("FANOUT_CONNECTIONS", raising=False)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }.items():
            patch.setenv(name, value)
        yield patch
        aws.forget_clients()


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., int]:
    """Return a function that runs `work` once to warm up and then `rounds` times, and checks every result.

    `check` gets what `work` returned and raises when the work was not done; its time does not count. `units` is how
    many of `unit` one round is; `server_pid` the process on the other side. Returns how often `work` ran.
    """

    def run(
        work: Callable[[], Any],
        check: Callable[[Any], None],
        *,
        role: str,
        unit: str,
        units: int,
        rounds: int,
        server_pid: int,
    ) -> int:
        check(work())
        wall_s: list[float] = []
        cpu_s: list[float] = []
        unchecked: list[Any] = []

        def one_round() -> None:
            wall, cpu = time.perf_counter(), time.process_time()
            result = work()
            cpu_s.append(time.process_time() - cpu)
            wall_s.append(time.perf_counter() - wall)
            unchecked.append(result)

        def check_round() -> None:
            check(unchecked.pop())

        server_before_s = _cpu_s(server_pid)
        benchmark.pedantic(one_round, teardown=check_round, rounds=rounds)
        server_s = _cpu_s(server_pid) - server_before_s
        while unchecked:  # with --benchmark-disable there is one round and no teardown
            check_round()

        figures = {
            f"{unit}s_per_s": units / statistics.median(wall_s),
            f"client_cpu_us_per_{unit}": statistics.median(cpu_s) * 1e6 / units,
            f"server_cpu_us_per_{unit}": server_s * 1e6 / (units * len(wall_s)),
        }
        benchmark.extra_info.update(role=role, unit=unit, units_per_round=units, **figures)
        if benchmark.enabled:
            name = request.node.name.removeprefix("test_")
            request.config.stash[RESULTS].append(Result(benchmark.group, name, role, unit, *figures.values()))
        return 1 + len(wall_s)

    return run


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Ours beside its reference: the ratios are what to read."""
    results = config.stash[RESULTS]
    if not results:
        return
    terminalreporter.section("ours beside its reference")
    terminalreporter.write_line(
        f"{'group':<18}{'benchmark':<42}{'rate':>14}{'client CPU':>16}{'server CPU':>16}{'rate ×':>9}{'CPU ×':>9}"
    )
    for result in sorted(results, key=lambda result: (result.group, result.role)):
        rate = f"{result.units_per_s:,.0f} {result.unit}s/s"
        client = f"{result.client_cpu_us_per_unit:,.1f} µs/{result.unit}"
        server = f"{result.server_cpu_us_per_unit:,.1f} µs/{result.unit}"
        ratios = _ratios(result, results)
        terminalreporter.write_line(
            f"{result.group:<18}{result.name:<42}{rate:>14}{client:>16}{server:>16}{ratios[0]:>9}{ratios[1]:>9}"
        )


def _ratios(result: Result, results: list[Result]) -> tuple[str, str]:
    """How many times the reference's rate, and how many times less CPU of the client; blank without a reference."""
    reference = next((other for other in results if (other.group, other.role) == (result.group, REFERENCE)), None)
    if reference is None or result is reference:
        return "", ""
    rate = result.units_per_s / reference.units_per_s
    cpu = reference.client_cpu_us_per_unit / result.client_cpu_us_per_unit
    return f"{rate:.1f}", f"{cpu:.1f}"
