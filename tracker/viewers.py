"""The open connections: read page by page while the first are being posted to, and removed once they are gone."""

from __future__ import annotations

import queue
import random
import threading
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tracker.aws import MAX_BATCH_WRITE, dynamodb_remove_connections, dynamodb_scan_table
from tracker.fanout.plan import Recipient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracker.aws import Page
    from tracker.logs import RequestLog

YOUNG_S = 20.0
"""The handshake of a connection this young may still be under way; see `RetryPolicy.opening_delays_s`.

Longer than the authorizer and `$connect` may run together, because `connectedAt` is when the client came: a cold start
or a slow write comes after.
"""
MAX_SEGMENTS = 8
REMOVE_ATTEMPTS = 5
LONGEST_REST_S = 1.0

_pages_last_time = 1
"""How many pages the table had when it was last read whole by this process."""


def read_viewers(table: str, segment: tuple[int, int] | None = None) -> Iterator[list[Recipient]]:
    """Yield the recipients of a whole table, or of one segment of it, as they are read.

    `segment` is (number, total) of a parallel scan (D07). A whole table that took several pages the last time is read
    in as many segments side by side, up to eight: one page after the other, 100,000 rows take ten round trips.
    """
    if segment is not None or _pages_last_time == 1:
        pages = _pages(table, segment)
    else:
        pages = _side_by_side(table, min(_pages_last_time, MAX_SEGMENTS))
    count = 0
    for page in pages:
        count += 1
        young_since_ms = (time.time() - YOUNG_S) * 1_000
        yield [Recipient(row["connectionId"], young=row.get("connectedAt", 0) > young_since_ms) for row in page.items]
    if segment is None:
        _remember(count)


def _remember(pages: int) -> None:
    global _pages_last_time  # noqa: PLW0603  a guess for the next invocation of this environment
    # Each segment ends with a page that is not full, so side by side there are more pages than the table needs.
    _pages_last_time = max(1, pages if _pages_last_time == 1 else pages - min(_pages_last_time, MAX_SEGMENTS) + 1)


def _pages(table: str, segment: tuple[int, int] | None) -> Iterator[Page]:
    # Consistent: a viewer whose handshake has just completed must not miss what is sent right after (D06).
    return dynamodb_scan_table(table, projection=("connectionId", "connectedAt"), consistent=True, segment=segment)


def _side_by_side(table: str, total: int) -> Iterator[Page]:
    """The pages of all segments as they come, at most two for each ahead of the one who takes them."""
    pages: queue.Queue[Page | BaseException | None] = queue.Queue(maxsize=2 * total)
    enough = threading.Event()

    def read(number: int) -> None:
        try:
            for page in _pages(table, (number, total)):
                if not _put(pages, page, enough):
                    return
        except BaseException as error:  # noqa: BLE001  it is raised where the pages are taken
            _put(pages, error, enough)
        else:
            _put(pages, None, enough)

    for number in range(total):
        threading.Thread(target=read, args=(number,), name=f"scan {number}", daemon=True).start()
    try:
        reading = total
        while reading:
            page = pages.get()
            if isinstance(page, BaseException):
                raise page
            if page is None:
                reading -= 1
            else:
                yield page
    finally:
        enough.set()


def _put(
    pages: queue.Queue[Page | BaseException | None], page: Page | BaseException | None, enough: threading.Event
) -> bool:
    """Hand a page over; False when nobody wants it any more."""
    while not enough.is_set():
        try:
            pages.put(page, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


class GoneRows:
    """Deletes the rows of gone connections, 25 at a time, in a thread of its own while posting goes on.

    What cannot be deleted is left: the next broadcast meets it again, and TTL takes it at last (D13).
    """

    def __init__(self, table: str, log: RequestLog) -> None:
        self._table = table
        self._log = log
        self._waiting: queue.SimpleQueue[Sequence[str] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._gone = 0
        self._removed = 0
        self._rest = random.uniform  # jitter, not secrets

    def put(self, connection_ids: Sequence[str]) -> None:
        """Take more of them; returns at once."""
        self._gone += len(connection_ids)
        self._waiting.put(connection_ids)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="gone rows", daemon=True)
            self._thread.start()

    def finish(self, deadline_s: float) -> None:
        """Wait until all are deleted, or `deadline_s` (on `time.monotonic`) has come.

        A delete that hangs is left behind: waiting for it past the function's time would bring the whole batch back.
        """
        if self._thread is None:
            return
        self._waiting.put(None)
        self._thread.join(max(0.0, deadline_s - time.monotonic()))
        self._log.info("removed the rows of gone connections", gone=self._gone, removed=self._removed)

    def _work(self) -> None:
        more = True
        ids: list[str] = []
        while more or ids:
            while more and (len(ids) < MAX_BATCH_WRITE or not self._waiting.empty()):
                if ids and self._waiting.empty():
                    break  # better a small batch now than a full one later
                found = self._waiting.get()
                more = found is not None
                ids.extend(found or ())
            batch, ids = ids[:MAX_BATCH_WRITE], ids[MAX_BATCH_WRITE:]
            if batch:
                self._remove(batch)

    def _remove(self, batch: list[str]) -> None:
        left = batch
        for attempt in range(REMOVE_ATTEMPTS):
            if attempt:
                time.sleep(self._rest(0.0, min(LONGEST_REST_S, 0.05 * 2**attempt)))
            try:
                left = dynamodb_remove_connections(self._table, left)
            except (ClientError, BotoCoreError):
                break
            if not left:
                break
        self._removed += len(batch) - len(left)
        for connection_id in left:
            self._log.error("the row of a gone connection could not be deleted", connection_id=connection_id)
