"""The notes about running stacks: who is believed, and what is left when a stack was killed."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from simulator.endpoints import Endpoints
from simulator.errors import EnvironmentFailure, InputError
from simulator.running import Note, announced, find, find_note

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="notes are locked on POSIX only")


def endpoints(port=8080, pid=None, **changes):
    values = {
        "websocket_url": f"ws://127.0.0.1:{port}/primary",
        "http_url": f"http://127.0.0.1:{port}",
        "management_url": f"http://127.0.0.1:{port}/primary",
        "apis": {"Api": f"ws://127.0.0.1:{port}/primary"},
        "aws_endpoint_url": "http://127.0.0.1:4000",
        "lambda_url": "http://127.0.0.1:4001",
        "region": "us-east-1",
        "queue_urls": {"vendors": "http://127.0.0.1:4000/123456789012/vendors"},
        "tables": ("vendors",),
        "functions": ("send",),
        "pid": os.getpid() if pid is None else pid,
    }
    return Endpoints(**(values | changes))


@pytest.fixture(autouse=True)
def runtime(tmp_path, monkeypatch):
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def notes(runtime):
    return runtime / f"tracker-sim-{os.getuid()}"


def test_a_stack_is_found_while_it_runs_and_leaves_nothing(notes):
    with announced(endpoints()):
        assert find() == endpoints()
        assert stat.S_IMODE(notes.stat().st_mode) == 0o700
        assert [stat.S_IMODE(note.stat().st_mode) for note in notes.iterdir()] == [0o600]
    assert list(notes.iterdir()) == []
    with pytest.raises(InputError, match="no stack is running here"):
        find()


@pytest.mark.parametrize("secret", ["s3cret", None])
def test_the_secret_of_vendor_tokens_is_in_the_note_and_does_not_show(secret):
    with announced(endpoints(), secret):
        note = find_note()
    assert note == Note(endpoints(), secret)
    assert "s3cret" not in repr(note)


def test_a_note_that_was_left_half_written_is_no_hindrance(notes):
    with announced(endpoints(pid=7)):
        pass
    (notes / "7.partial").write_text("{")
    with announced(endpoints(pid=7)):
        assert find() == endpoints(pid=7)


def test_a_stack_that_fails_leaves_nothing_either(notes):
    with pytest.raises(ZeroDivisionError), announced(endpoints()):
        raise ZeroDivisionError
    assert list(notes.iterdir()) == []


@pytest.mark.parametrize("port", [80, 808, 127, 0, 80_800])
def test_part_of_a_port_is_another_port(port):
    with announced(endpoints(8080)), pytest.raises(InputError, match=f"no stack runs on port {port}"):
        find(port)


def test_of_several_stacks_the_port_says_which():
    first, second = endpoints(8080, pid=1), endpoints(8081, pid=2, websocket_url=None)
    with announced(first), announced(second):
        assert find(8080) == first
        assert find(8081) == second
        with pytest.raises(
            InputError, match=r"2 stacks are running \(ws://127.0.0.1:8080/primary, http://127.0.0.1:8081"
        ):
            find()


KILLED = """
import json, os, signal, sys
from simulator.endpoints import Endpoints
from simulator.running import announced
with announced(Endpoints.from_json(json.loads(sys.argv[1]))):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_note_of_a_killed_stack_is_not_believed_although_another_process_has_its_id(notes):
    alive = endpoints(pid=os.getpid())
    subprocess.run(
        [sys.executable, "-c", KILLED, json.dumps(alive.to_json())],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert [note.name for note in notes.iterdir()] == [f"{os.getpid()}.json"]
    with pytest.raises(InputError, match="no stack is running here"):
        find()
    assert list(notes.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"pid": 1}'])
def test_a_note_that_says_nothing_is_passed_over(notes, content):
    with announced(endpoints()):
        (notes / "1.json").write_bytes(content)
        assert find() == endpoints()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702], ids=oct)
def test_a_folder_that_others_can_write_to_is_refused(notes, mode):
    notes.mkdir()
    notes.chmod(mode)
    with pytest.raises(EnvironmentFailure, match="others can write to"):
        find()


def test_a_link_in_place_of_the_folder_is_refused(notes, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    notes.symlink_to(elsewhere)
    with pytest.raises(EnvironmentFailure, match="others can write to"):
        find()


def test_a_file_in_place_of_the_folder_is_one_sentence(notes):
    notes.write_text("")
    with pytest.raises(EnvironmentFailure, match="cannot be made"):
        find()


@pytest.mark.parametrize("gone", ["/nowhere/at/all", ""], ids=["missing", "empty"])
def test_without_a_runtime_folder_the_temporary_one_serves(tmp_path, monkeypatch, gone):
    monkeypatch.setenv("XDG_RUNTIME_DIR", gone)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with announced(endpoints()):
        assert (tmp_path / f"tracker-sim-{os.getuid()}" / f"{os.getpid()}.json").is_file()


def test_the_runtime_folder_of_the_user_before_su_is_not_used(runtime, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != runtime)  # root may write anywhere
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with announced(endpoints()):
        assert list(runtime.iterdir()) == []


def test_a_user_without_a_name_can_run_a_stack(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: {}["uid not found"])
    with announced(endpoints()):
        assert find() == endpoints()
