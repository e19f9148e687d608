"""A report in headless Chromium with the network off, driven through the browser's own protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-port=0",
)
_PATIENCE_S = 120


class Page:
    """One tab. `requests` is what it asked for, `failures` what failed of it, `complaints` what the console said."""

    def __init__(self, socket: Any) -> None:
        self.requests: list[str] = []
        self.failures: list[str] = []
        self.complaints: list[str] = []
        self._socket = socket
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._loaded = asyncio.Event()
        self._numbers = itertools.count(1)
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
                continue
            told = message.get("params", {})
            match message["method"]:
                case "Network.requestWillBeSent":
                    self.requests.append(told["request"]["url"])
                case "Network.loadingFailed":
                    self.failures.append(told["errorText"])
                case "Runtime.exceptionThrown":
                    self.complaints.append(json.dumps(told["exceptionDetails"]))
                case "Log.entryAdded":
                    self.complaints.append(told["entry"]["text"])
                case "Page.loadEventFired":
                    self._loaded.set()

    async def call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        waiting = self._answers[number]
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        answer = await asyncio.wait_for(waiting, _PATIENCE_S)
        assert "error" not in answer, answer
        return answer["result"]

    async def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
        )
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = "dark" if dark else "light"
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await asyncio.wait_for(self._loaded.wait(), _PATIENCE_S)

    async def ask(self, script: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    async def picture(self, **clip: float) -> bytes:
        """The whole page, or the part at `x`, `y`, `width`, `height`, as a PNG."""
        part = {"clip": {"scale": 1, **clip}} if clip else {}
        taken = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, **part)
        return base64.b64decode(taken["data"])

    async def print(self) -> bytes:
        """The page as a PDF."""
        return base64.b64decode((await self.call("Page.printToPDF", printBackground=True))["data"])

    def stop(self) -> None:
        self._reading.cancel()


@contextlib.asynccontextmanager
async def chromium_page() -> AsyncIterator[Page]:
    """A fresh browser with one tab, gone afterwards."""
    assert CHROMIUM is not None
    # Its child processes may still write when it has gone.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *_FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while b"DevTools listening on " not in (line := await process.stderr.readline()):
                    assert line, "Chromium ended before it listened"
            draining = asyncio.create_task(process.stderr.read())
            browser = line.decode().split()[-1]
            async with websockets.connect(browser, max_size=None, proxy=None) as socket:
                await socket.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
                targets = json.loads(await socket.recv())["result"]["targetInfos"]
                tab = next(each["targetId"] for each in targets if each["type"] == "page")
                address = browser.split("/devtools/")[0] + f"/devtools/page/{tab}"
                async with websockets.connect(address, max_size=None, proxy=None) as own:
                    page = Page(own)
                    try:
                        yield page
                    finally:
                        page.stop()
                await socket.send(json.dumps({"id": 2, "method": "Browser.close"}))
                async with asyncio.timeout(_PATIENCE_S):
                    await process.wait()
            await draining
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

INK = """[...document.querySelectorAll("canvas")].map((canvas) => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let at = 0; at < pixels.length; at += 4) if (pixels[at + 3] > 200) colours.add(pixels.slice(at, at + 3).join());
  return [canvas.id, colours.size];
})"""


STORMY = """\
name = "stormy"
question = "Are phases and faults where they belong?"
[vendors]
count = 5
[subscribers]
kind = "reconnecting"
count = 5
[[phases]]
name = "calm"
duration_s = 3
rate_per_s = 5
[[phases]]
name = "storm"
duration_s = 3
rate_per_s = 20
[[faults]]
kind = "viewer_reset"
start_s = 3
[[faults]]
kind = "viewer_freeze"
start_s = 3
duration_s = 2
"""
STRIPS = """Object.values(Chart.instances).map(each => each.boxes.find(box => box.faults)).filter(Boolean).map(
  box => [box.height > 40, box.faults.map(fault => [fault.words, fault.row, fault.to > fault.from])]
)"""


async def test_a_report_opens_offline_asks_for_nothing_and_draws_every_chart(sim, tmp_path):
    (tmp_path / "stormy.toml").write_text(STORMY)
    run = sim("run", tmp_path / "stormy.toml", "--results", tmp_path / "results")
    (results,) = (tmp_path / "results").iterdir()
    page_file = tmp_path / "report.html"
    assert sim("report", results, "--html", page_file).returncode == 0, run
    async with chromium_page() as page:
        for width, dark in ((1280, False), (1280, True), (390, False)):
            await page.open(page_file.as_uri(), width=width, dark=dark)
            inks = await page.ask(INK)
            assert len(inks) >= 10
            assert [name for name, colours in inks if colours < 3] == []
            # Phases and faults are named above the lines of time, each fault in a row of its own while they overlap.
            strips = await page.ask(STRIPS)
            assert len(strips) >= 8
            assert all(strip == [True, [["viewer_reset", 0, True], ["viewer_freeze", 1, True]]] for strip in strips)
            # Nothing is wider than the screen.
            assert await page.ask("document.documentElement.scrollWidth") <= width
        await page.ask("document.getElementById('chart-latency').focus()")
        await page.press("ArrowRight")
        assert "p99" in await page.ask("document.getElementById('spoken').textContent")
        await page.ask("document.querySelector('details[data-chart=latency] summary').click()")
        rows = "document.querySelectorAll('details[data-chart=latency] tbody tr').length"
        assert await page.ask(f"new Promise(done => setTimeout(() => done({rows}), 0))") > 1
        assert set(page.requests) == {page_file.as_uri()}
        assert page.failures == []
        assert page.complaints == []
