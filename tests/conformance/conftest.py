"""The conformance suite's options, marks and fixtures; README.md says how to use and extend it."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.probe import Probe
from harness.results import Results
from harness.stacks import Stacks
from harness.target import Target, from_file

_STACKS = pytest.StashKey[Stacks]()
_RESULTS = pytest.StashKey[Results]()
_LOG_LINES = 30


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--target-file", type=Path, metavar="FILE", help="Test the probe that these outputs belong to.")
    group.addoption("--in-process", action="store_true", help="Test `tracker-sim up --in-process`.")
    group.addoption("--results", type=Path, metavar="FILE", help="Write every row's outcome as JSON.")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "row(*ids): rows of docs/aws-contract.md that the test proves besides those in its name",
        "local_lever(reason): needs --set, a moved clock or a kill; skipped with --target-file",
        "not_in_aws(reason): cannot be true in AWS too",
        "not_in_process(reason): not true with --in-process; the reason is published",
    ):
        config.addinivalue_line("markers", line)
    if config.option.target_file and config.option.in_process:
        raise pytest.UsageError("--target-file and --in-process exclude each other; give one.")
    mode = "target file" if config.option.target_file else "in process" if config.option.in_process else "workers"
    config.stash[_RESULTS] = Results(mode)


def pytest_runtest_setup(item: pytest.Item) -> None:
    skipped = {
        "local_lever": item.config.option.target_file,
        "not_in_aws": item.config.option.target_file,
        "not_in_process": item.config.option.in_process,
    }
    for name, applies in skipped.items():
        mark = item.get_closest_marker(name)
        if mark is not None:
            (reason,) = mark.args
            if applies:
                pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield
    item.config.stash[_RESULTS].note(item, report)
    if report.failed and _STACKS in item.config.stash:
        for name, log in item.config.stash[_STACKS].logs().items():
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
            report.sections.append((f"end of the log of {name}", "\n".join(tail)))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.option.results is not None:
        session.config.stash[_RESULTS].write(session.config.option.results)


@pytest.fixture(scope="session")
def stacks(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """The stacks that this suite has started."""
    running = Stacks(tmp_path_factory.mktemp("stacks"), in_process=pytestconfig.option.in_process)
    pytestconfig.stash[_STACKS] = running
    yield running
    running.close()


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Target]:
    """The probe under test: the one of --target-file, else one that is started for the session."""
    if pytestconfig.option.target_file is None:
        yield request.getfixturevalue("stacks").get().target
        return
    deployed = from_file(pytestconfig.option.target_file)
    yield deployed
    deployed.close()


@pytest.fixture
def at_end() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def probe(target: Target, at_end: contextlib.ExitStack) -> Probe:
    """The probe under test, and everything to observe it with."""
    return Probe(target, at_end)


@pytest.fixture
def stack_with(request: pytest.FixtureRequest, at_end: contextlib.ExitStack) -> Callable[..., Probe]:
    """A probe on a stack with other settings: `stack_with("gateway.idle_timeout_s=1")`; for `local_lever` tests."""
    assert request.node.get_closest_marker("local_lever") is not None, "mark the test with @pytest.mark.local_lever"
    stacks: Stacks = request.getfixturevalue("stacks")
    return lambda *settings: Probe(stacks.get(*settings).target, at_end)


@pytest.fixture
def verifying(target: Target, probe: Probe, request: pytest.FixtureRequest, at_end: contextlib.ExitStack) -> Probe:
    """A probe that checks signatures: AWS always does, the simulator when told to."""
    if not target.local:
        return probe
    stacks: Stacks = request.getfixturevalue("stacks")
    return Probe(stacks.get("gateway.verify_signatures=yes").target, at_end)
