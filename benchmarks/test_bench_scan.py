"""The whole connections table out of the embedded moto, by page size and by segments, patched and stock.

The patched and the stock moto are processes of their own that run side by side, and everything takes turns. What
matters is the server's CPU: moto's own cost, which grows with the square of the table when it is stock.
"""

import asyncio
import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from instruments.contest import Contestant, hold
from instruments.growth import exponent
from instruments.results import WALL_TOLERANCE, Group, Role
from references.scans import REFERENCE_PAGE_ROWS, TableScans
from simulator.cloud.cloud import Cloud
from tracker import aws
from tracker.wire import VendorUpdate

REGION = "us-east-1"
BATCH_ROWS = 25
"""As many as one BatchWriteItem takes."""
CONNECTED_AT_MS = 1_710_277_498_112
EXPIRES_AT_S = 1_710_285_298
PAGE_ROWS = {"loop_of_25": REFERENCE_PAGE_ROWS, "boto3_pages_of_100": 100, "boto3_pages_of_1000": 1_000}
CPU = "server_cpu_us_per_row"
CPU_REACH_US = {10_000: 0.4e6 / 10_000, 100_000: 4.5e6 / 100_000}
"""0.4 s for a scan of 10,000 rows, 4.5 s for 100,000."""
GROWTH_ROWS = (250, 500, 1_000)
"""Sizes that stock moto bears too."""
LONG_GROWTH_ROWS = {"patched": (5_000, 20_000, 100_000), "stock": (2_000, 4_000)}
VENDORS = 20
TWEETS = 10


def connection_id(number: int) -> str:
    return f"L0SM9cOF{number:07}="


def table_name(size: int) -> str:
    return f"connections-{size}"


@dataclass
class Moto:
    """One embedded moto and the tables that have been filled in it."""

    cloud: Cloud
    filled: set[int] = field(default_factory=set)

    @property
    def pid(self) -> int:
        assert self.cloud.pid is not None
        return self.cloud.pid

    def table(self, size: int) -> str:
        """The name of a table of so many rows."""
        if size not in self.filled:
            self.filled.add(size)
            fill(self.cloud.client("dynamodb"), size)
        return table_name(size)


@pytest.fixture(scope="module")
def motos(environment: pytest.MonkeyPatch) -> Iterator[dict[str, Moto]]:
    """`patched` and `stock`."""
    made = {"patched": Moto(Cloud(region=REGION)), "stock": Moto(Cloud(region=REGION, stock_moto=True))}
    with asyncio.Runner() as runner:
        try:
            for moto in made.values():
                runner.run(moto.cloud.start())
            yield made
        finally:
            for moto in made.values():
                runner.run(moto.cloud.stop())


def fill(dynamodb, size: int) -> None:
    dynamodb.create_table(
        TableName=table_name(size),
        AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for first in range(0, size, BATCH_ROWS):
        puts = [{"PutRequest": {"Item": row(number)}} for number in range(first, min(first + BATCH_ROWS, size))]
        answer = dynamodb.batch_write_item(RequestItems={table_name(size): puts})
        assert not answer["UnprocessedItems"]


def row(number: int) -> dict[str, dict[str, str]]:
    return {
        "connectionId": {"S": connection_id(number)},
        "connectedAt": {"N": str(CONNECTED_AT_MS + number)},
        "expiresAt": {"N": str(EXPIRES_AT_S + number)},
    }


def every_row(rows: list[dict[str, Any]], size: int) -> None:
    seen = sorted((each["connectionId"], int(each["connectedAt"]), int(each["expiresAt"])) for each in rows)
    assert seen == [(connection_id(n), CONNECTED_AT_MS + n, EXPIRES_AT_S + n) for n in range(size)]


def every_wire_row(rows: list[dict[str, Any]], size: int) -> None:
    assert sorted(rows, key=lambda each: each["connectionId"]["S"]) == [row(number) for number in range(size)]


def every_projected_row(rows: list[dict[str, Any]], size: int) -> None:
    seen = sorted((each["connectionId"], int(each["connectedAt"])) for each in rows)
    assert seen == [(connection_id(n), CONNECTED_AT_MS + n) for n in range(size)]


def contestants(
    moto: Moto, size: int, exits: contextlib.ExitStack, suffix: str = "", *, every: bool = True
) -> list[Contestant]:
    """Ours, ours as `send_vendor` reads, the reference's loop; with `every` also by pages and by segments."""
    scans = TableScans(moto.cloud.endpoint_url, moto.table(size))
    exits.callback(scans.close)

    def one(
        name: str,
        role: Any,
        work: Callable[[], Any],
        check: Callable[[list[dict[str, Any]], int], None] = every_wire_row,
    ) -> Contestant:
        return Contestant(name + suffix, role, work, lambda rows: check(rows, size), size, (moto.pid,))

    def ours(**options: Any) -> Callable[[], Any]:
        def work() -> Any:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("AWS_ENDPOINT_URL", moto.cloud.endpoint_url)
                return aws.get_all_scan_results(table_name(size), **options)

        return work

    found = [
        one("ours", "ours", ours(), every_row),
        one("loop_of_25", "reference", scans.loop_of_25, every_row),
    ]
    if every:
        found += [
            one("ours_projected", "ours", ours(projection=("connectionId", "connectedAt")), every_projected_row),
            one("boto3_pages_of_100", "reference", lambda: scans.pages(Limit=100)),
            one("boto3_pages_of_1000", "reference", lambda: scans.pages(Limit=1_000)),
            one("boto3_2_segments", "reference", lambda: scans.segments(2)),
            one("boto3_8_segments", "reference", lambda: scans.segments(8)),
        ]
    return found


@pytest.mark.parametrize(
    ("size", "rounds"),
    [
        pytest.param(1_000, 7, id="1000"),
        pytest.param(10_000, 3, id="10000"),
        pytest.param(50_000, 3, id="50000", marks=pytest.mark.long),
        pytest.param(100_000, 3, id="100000", marks=pytest.mark.long),
    ],
)
def test_scan(group, motos, size, rounds):
    found: Group = group(f"scan-{size}", f"a whole table of {size:,} rows, patched moto")
    with contextlib.ExitStack() as exits:
        hold(found, contestants(motos["patched"], size, exits), unit="row", rounds=rounds)
    for name in ("ours", "ours_projected"):
        found.subjects[name].metrics[CPU].reach = CPU_REACH_US.get(size)
        found.set_against(CPU, name, "loop_of_25")
    found.set_against(CPU, "ours_projected", "ours")
    add_pages(found, size)
    found.set_against("client_cpu_us_per_row", "ours", "loop_of_25")
    found.set_against("rows_per_s", "ours", "loop_of_25", tolerance=WALL_TOLERANCE)


def add_pages(group: Group, size: int) -> None:
    """Pages a second, of those who read pages of so many rows."""
    for name, page_rows in PAGE_ROWS.items():
        for rows_per_s in group.subjects[name].metrics["rows_per_s"].samples:
            pages_per_s = rows_per_s / size * math.ceil(size / page_rows)
            group.add(name, "reference", "pages_per_s", pages_per_s, unit="pages/s", better="higher")


@pytest.mark.long
def test_large_pages_of_stock_moto(group, motos):
    """At 10,000 rows the reference's pages would take stock moto two minutes a turn."""
    found: Group = group("scan-10000-stock", "a whole table of 10,000 rows in pages of 1,000, patched and stock moto")
    with contextlib.ExitStack() as exits:
        some = []
        for kind, moto in motos.items():
            scans = TableScans(moto.cloud.endpoint_url, moto.table(10_000))
            exits.callback(scans.close)
            work = functools.partial(scans.pages, Limit=1_000)
            role: Role = "ours" if kind == "patched" else "reference"
            check = functools.partial(every_wire_row, size=10_000)
            some.append(Contestant(f"pages_of_1000_on_{kind}", role, work, check, 10_000, (moto.pid,)))
        hold(found, some, unit="row", rounds=3)
    found.set_against(CPU, "pages_of_1000_on_patched", "pages_of_1000_on_stock")


@pytest.mark.long
def test_scan_of_stock_moto(group, motos):
    """How much the patches are worth at 1,000 rows, by the same clients."""
    found: Group = group("scan-1000-stock", "a whole table of 1,000 rows, patched and stock moto in turns")
    with contextlib.ExitStack() as exits:
        patched = contestants(motos["patched"], 1_000, exits, every=False)
        stock = contestants(motos["stock"], 1_000, exits, "_on_stock_moto", every=False)
        hold(found, [*patched, *stock], unit="row", rounds=3)
    for name in ("ours", "loop_of_25"):
        found.set_against(CPU, name, f"{name}_on_stock_moto")


def test_scan_growth(group, motos, request):
    """In pages of 25, as the reference reads: each page costs stock moto the whole table."""
    found: Group = group("scan-growth", "moto's CPU for a whole scan in pages of 25, as a power of the rows")
    sizes = {"patched": (*GROWTH_ROWS, 5_000), "stock": GROWTH_ROWS}
    if request.config.getoption("--long"):
        sizes = {kind: (*GROWTH_ROWS, *more) for kind, more in LONG_GROWTH_ROWS.items()}
    costs: dict[str, dict[int, float]] = {kind: {} for kind in motos}
    for size in sorted({size for each in sizes.values() for size in each}):
        turns = Group("")
        with contextlib.ExitStack() as exits:
            some = []
            for kind, moto in motos.items():
                if size in sizes[kind]:
                    scans = TableScans(moto.cloud.endpoint_url, moto.table(size))
                    exits.callback(scans.close)
                    check = lambda rows, size=size: every_row(rows, size)  # noqa: E731
                    some.append(Contestant(kind, "ours", scans.loop_of_25, check, size, (moto.pid,)))
            hold(turns, some, unit="row", rounds=3)
        for kind, subject in turns.subjects.items():
            costs[kind][size] = subject.metrics[CPU].median * size / 1e6
    for kind, role in (("patched", "ours"), ("stock", "reference")):
        found.add(kind, role, "exponent", exponent(costs[kind]), unit="power", better="lower")
        for size, cost_s in costs[kind].items():
            found.add(kind, role, f"{size}_rows_s", cost_s, unit="s of CPU", better="lower")
    found.subjects["patched"].metrics["exponent"].reach = 1.1
    for size in GROWTH_ROWS:
        found.set_against(f"{size}_rows_s", "patched", "stock", tolerance=0.3)
    found.set_against("exponent", "patched", "stock", paired=False)


# -- rows that grow --------------------------------------------------------------------------------------------------


def vendor_update(number: int) -> VendorUpdate:
    place = {"id": "0" * 16, "name": "Mission", "full_name": "Mission, San Francisco", "place_type": "neighborhood"}
    return {
        "id": str(number),
        "userId": f"vendor-{number % VENDORS}",
        "userName": "Tacos",
        "text": "Here until three " + "x" * 60,
        "date": "2024-03-12T21:18:18.112+00:00",
        "geo": {
            **place,
            "country": "United States",
            "country_code": "US",
            "coordinates": {"lat": 37.75, "long": -122.41},
        },
    }


@dataclass
class Vendors:
    """The tracker's table of vendors, each with as many tweets as it may have."""

    moto: Moto
    updates: int = 0

    def open(self) -> None:
        self.moto.cloud.client("dynamodb").create_table(
            TableName="vendors",
            AttributeDefinitions=[{"AttributeName": "twitterId", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "twitterId", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for _ in range(TWEETS):
            self.update_all()

    def update_all(self) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", self.moto.cloud.endpoint_url)
            for _ in range(VENDORS):
                about = {"name": "Tacos", "image": "https://example.com/i.png", "description": "Tacos"}
                update = vendor_update(self.updates)
                aws.dynamodb_record_vendor_update("vendors", update, now_ms=CONNECTED_AT_MS + self.updates, **about)
                self.updates += 1
        return self.updates

    def read_all(self) -> list[dict[str, Any]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", self.moto.cloud.endpoint_url)
            return aws.get_all_scan_results("vendors")

    def newest(self, rows: list[dict[str, Any]]) -> None:
        assert {row["tweets"][-1]["id"] for row in rows} == {str(self.updates - n) for n in range(1, VENDORS + 1)}

    def counted(self, updates: int) -> None:
        assert updates == self.updates


@pytest.mark.parametrize("what", ["updates", "reads"])
def test_vendor_rows(group, motos, what):
    """A vendor's update writes a row with its ten newest tweets; `get_vendors` reads all of them."""
    found: Group = group(f"vendor-{what}", f"{what} of rows with {TWEETS} tweets each, patched and stock moto in turns")
    some = []
    for kind, moto in motos.items():
        vendors = Vendors(moto)
        vendors.open()
        role: Role = "ours" if kind == "patched" else "reference"
        work, check = (vendors.update_all, vendors.counted) if what == "updates" else (vendors.read_all, vendors.newest)
        some.append(Contestant(kind, role, work, check, VENDORS, (moto.pid,)))
    hold(found, some, unit="row", rounds=7)
    for moto in motos.values():
        moto.cloud.client("dynamodb").delete_table(TableName="vendors")
    found.set_against(CPU, "patched", "stock")
    found.set_against("rows_per_s", "patched", "stock", tolerance=WALL_TOLERANCE)
