from __future__ import annotations

from pathlib import Path

import pytest

from simulator.stack.arns import Scope
from simulator.stack.sam import PlainTemplate
from simulator.stack.translation_cache import TranslationCache, cache_key, user_cache_dir

PLAIN = PlainTemplate({"Resources": {"A": {"Type": "T"}}}, {"F": {"Ref": "Code"}}, ("a warning.",))
SCOPE = Scope("us-east-1", "123456789012", "shop")


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        pytest.param("linux", {}, "/home/u/.cache/tracker-sim/templates", id="linux"),
        pytest.param("linux", {"XDG_CACHE_HOME": "/c"}, "/c/tracker-sim/templates", id="xdg"),
        pytest.param("linux", {"XDG_CACHE_HOME": "rel"}, "/home/u/.cache/tracker-sim/templates", id="relative-xdg"),
        pytest.param("darwin", {}, "/home/u/Library/Caches/tracker-sim/templates", id="macos"),
        pytest.param("win32", {"LOCALAPPDATA": "/local"}, "/local/tracker-sim/templates", id="windows"),
        pytest.param("win32", {}, "/home/u/AppData/Local/tracker-sim/templates", id="windows-without-variable"),
    ],
)
def test_the_folder_is_where_the_platform_keeps_caches(platform: str, environment: dict[str, str], folder: str) -> None:
    assert user_cache_dir(platform, environment, Path("/home/u")) == Path(folder)


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    cache = TranslationCache(tmp_path / "a" / "b")
    cache.write("key", PLAIN)
    assert cache.read("key") == PLAIN
    assert [entry.name for entry in (tmp_path / "a" / "b").iterdir()] == ["key.json"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut-off"),
        pytest.param(b"\xff\xfe", id="not-text"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"template": [], "code": {}, "warnings": []}', id="wrong-shape"),
        pytest.param(b'{"template": {}, "code": {}}', id="a-key-missing"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_an_entry_that_cannot_be_used_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.json").write_bytes(content)
    assert TranslationCache(tmp_path).read("key") is None


def test_a_folder_that_cannot_be_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = TranslationCache(tmp_path / "file" / "below")
    cache.write("key", PLAIN)
    assert cache.read("key") is None


def test_without_a_folder_nothing_is_kept() -> None:
    cache = TranslationCache(None)
    cache.write("key", PLAIN)
    assert cache.read("key") is None


def test_old_entries_make_room(tmp_path: Path) -> None:
    cache = TranslationCache(tmp_path)
    for number in range(70):
        cache.write(f"key{number}", PLAIN)
    assert len(list(tmp_path.iterdir())) == 64


@pytest.mark.parametrize(
    ("source", "parameters", "scope"),
    [
        pytest.param(b"b", {}, SCOPE, id="template"),
        pytest.param(b"a", {"P": "1"}, SCOPE, id="parameter"),
        pytest.param(b"a", {}, Scope("eu-west-1", "123456789012", "shop"), id="region"),
        pytest.param(b"a", {}, Scope("us-east-1", "123456789012", "other"), id="stack-name"),
    ],
)
def test_each_input_has_its_own_key(source: bytes, parameters: dict[str, str], scope: Scope) -> None:
    assert cache_key(source, parameters, scope) != cache_key(b"a", {}, SCOPE)
    assert cache_key(source, parameters, scope) == cache_key(source, dict(parameters), scope)
