"""What the command line holds around a stack: starting it once, stopping while it starts, and its log."""

import asyncio
import functools
import logging
import sys
from types import SimpleNamespace

import click
import pytest

from simulator import cli
from simulator.cli import run
from simulator.cli.output import HarmlessFormatter
from simulator.cli.stopping import unless_stopped
from simulator.errors import EnvironmentFailure, InputError


async def test_what_started_is_given_on():
    async def start():
        return "started"

    assert await unless_stopped(asyncio.Event(), start()) == "started"


async def test_a_start_that_fails_fails_as_it_did():
    async def start():
        raise EnvironmentFailure("no.")

    with pytest.raises(EnvironmentFailure, match=r"no\."):
        await unless_stopped(asyncio.Event(), start())


async def test_a_stop_ends_the_start_and_waits_until_it_has_been_undone():
    stop, undone = asyncio.Event(), []

    async def start():
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.get_running_loop().run_in_executor(None, undone.append, True)

    with pytest.raises(click.Abort):
        await unless_stopped(stop, start())
    assert undone == [True]


async def test_a_run_starts_one_stack_and_leaves_it(monkeypatch, tmp_path):
    happened = []

    class Stack:
        endpoints = "endpoints"

        def __init__(self, arguments, *, log, on_problem):
            pass

        async def __aenter__(self):
            happened.append("start")
            return self

        async def __aexit__(self, *_):
            happened.append("stop")

    async def play(prepared, endpoints, *, progress, stop, results):
        happened.append(endpoints)
        return "verdict"

    monkeypatch.setattr("simulator.child.StackProcess", Stack)
    monkeypatch.setattr("simulator.load.prepare", lambda scenario: None)
    monkeypatch.setattr("simulator.load.run_scenario", play)
    stack = functools.partial(run._stack_here, [], tmp_path / "log")
    assert await run._play(SimpleNamespace(name="x"), stack) == "verdict"
    assert happened == ["start", "endpoints", "stop"]


def test_a_log_of_the_users_own_is_never_removed(tmp_path):
    log = tmp_path / "mine"
    log.write_text("kept")
    with pytest.raises(InputError), run._log_file(log, "x"):
        raise InputError("no.")
    assert log.read_text() == "kept"


@pytest.mark.parametrize(
    ("error", "kept"),
    [(InputError("no."), False), (click.Abort(), False), (KeyboardInterrupt(), False), (EnvironmentFailure("e"), True)],
    ids=repr,
)
def test_the_temporary_log_stays_only_where_it_may_tell_something(error, kept):
    seen = []
    with pytest.raises(type(error)), run._log_file(None, "../a b/é") as log:  # noqa: PT012
        seen.append(log)
        raise error
    [log] = seen
    assert log.parent.exists() is kept
    assert log.name == "___a_b__.log"
    assert log.parent.stat().st_mode & 0o077 == 0 if kept else True


def test_no_line_of_the_log_can_drive_a_terminal(caplog):
    formatter = HarmlessFormatter("%(levelname)s %(message)s")
    record = logging.LogRecord("a", logging.INFO, "f", 1, "x\x1b[2J\r\u202e\n\ty é", (), None)
    assert formatter.format(record) == "INFO x\\x1b[2J\\r\\u202e\n\ty é"


def test_an_error_that_quotes_a_peer_cannot_drive_a_terminal(monkeypatch, capsys):
    def refuse(**_):
        raise EnvironmentFailure("the server ended the connection with 4000 \x1b]0;owned\x07.")

    monkeypatch.setattr(cli.cli, "main", refuse)
    monkeypatch.setattr(sys, "argv", ["tracker-sim"])
    monkeypatch.setattr("os.environ", {})
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == "Error: the server ended the connection with 4000 \\x1b]0;owned\\x07.\n"


def test_workers_without_locust_are_refused_before_a_stack_is_started(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("simulator.child.StackProcess", lambda *_, **__: pytest.fail("a stack was started"))
    with pytest.raises(InputError, match="workers need Locust"):
        cli.cli.main(["run", "quickstart", "--workers", "2", "--no-results"], standalone_mode=False)
