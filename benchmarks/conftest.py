"""What every benchmark shares: options, an environment without the developer's AWS, the results and their table."""

import datetime as dt
import json
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from instruments.results import Group, Run
from instruments.surroundings import surroundings
from instruments.table import run_as_text
from tracker import aws

RUN = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    options = parser.getgroup("benchmarks")
    options.addoption("--long", action="store_true", help="also what takes minutes: 10,000 connections, 100,000 rows …")
    options.addoption("--save", type=Path, metavar="FILE", help="where the results go; default: results/DATE.json")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes; runs with --long only")
    config.stash[RUN] = Run(surroundings={**surroundings(), "long": config.getoption("--long")})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


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
def group(request: pytest.FixtureRequest) -> Callable[..., Group]:
    """Return the group of a name and title in this run's results; third, what measures it again, if not this test."""
    return lambda name, title, test=request.node.nodeid: request.config.stash[RUN].group(name, title, test)


@dataclass(frozen=True, slots=True)
class Authority:
    """A throwaway certificate authority and a certificate for 127.0.0.1, as PEM files."""

    bundle: str
    certificate: str
    key: str

    def context(self) -> ssl.SSLContext:
        """For a client that trusts it."""
        return ssl.create_default_context(cafile=self.bundle)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("tls")
    made = trustme.CA()
    issued = made.issue_cert("127.0.0.1")
    made.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(folder / "certificate.pem", append=number > 0)
    return Authority(*(str(folder / name) for name in ("ca.pem", "certificate.pem", "key.pem")))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Save what was found, also when some benchmark failed: the others' figures are good."""
    run = session.config.stash[RUN]
    document = run.to_json()
    if not document["groups"]:
        return
    path = session.config.getoption("--save")
    if path is None:
        stamp = dt.datetime.fromisoformat(run.surroundings["began"]).strftime("%Y%m%d-%H%M%S")
        path = Path(__file__).parent / "results" / f"{stamp}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    session.config.stash[SAVED] = path


SAVED = pytest.StashKey[Path]()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Ours beside its references: the ratios are what to read."""
    run = config.stash[RUN]
    if not any(group.subjects for group in run.groups.values()):
        return
    terminalreporter.section("medians, and how many times better than what stands beside it")
    terminalreporter.write(run_as_text(run))
    if SAVED in config.stash:
        terminalreporter.write_line(f"saved: {config.stash[SAVED]}")
