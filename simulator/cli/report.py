"""`tracker-sim report`: saved results as a page, Markdown, JSON or JUnit XML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from simulator.cli.options import check_writable, debug_option
from simulator.errors import InputError


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULT...")
@click.option(
    "--html",
    "html_file",
    metavar="FILE|-",
    help="Write a page with charts to FILE, or to stdout: one file that opens offline.",
)
@click.option(
    "--markdown", "as_markdown", is_flag=True, help="Print Markdown on stdout, short enough for a CI summary."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout (docs/report.md).")
@click.option(
    "--junit",
    "junit_file",
    metavar="FILE|-",
    help="Write JUnit XML to FILE, or to stdout: a test suite for each run, a test case for each expectation.",
)
@debug_option
def report(
    results: tuple[Path, ...], html_file: str | None, as_markdown: bool, as_json: bool, junit_file: str | None
) -> None:
    """Report on saved results; nothing is played again.

    RESULT is a folder that `tracker-sim run` has written. With several, all are compared with the first. Without an
    option a table is printed. Exit status 0: the report was made, whatever it says.
    """
    from simulator import report as room  # noqa: PLC0415

    on_stdout = [as_markdown, as_json, html_file == "-", junit_file == "-"]
    if sum(on_stdout) > 1:
        raise InputError(
            "only one of --html -, --markdown, --json and --junit - can have stdout; give the others a FILE."
        )
    wants_a_comparison = len(results) > 1 and (any(on_stdout[:3]) or html_file is not None or junit_file is None)
    if wants_a_comparison and len(results) > room.MOST_COMPARED:
        raise InputError(
            f"{len(results)} results are too many to compare; give at most {room.MOST_COMPARED} (--junit takes more)."
        )
    for option, name in (("--html", html_file), ("--junit", junit_file)):
        check_writable(name, "the report", option)
    runs = [room.read_run(folder) for folder in results]
    if html_file is not None:
        _write_report(room.html_page(runs), html_file)
    if junit_file is not None:
        _write_report(room.junit(runs), junit_file)
    if as_markdown:
        click.echo(room.markdown(runs), nl=False)
    elif as_json:
        click.echo(json.dumps(room.json_document(runs), indent=2))
    elif html_file is None and junit_file is None:
        _print_report(runs)


def _write_report(text: str, name: str) -> None:
    if name == "-":
        click.echo(text, nl=False)
        return
    # The same bytes everywhere: the page's policy has the hashes of its scripts.
    Path(name).write_text(text, encoding="utf-8", newline="\n")
    size_kb = len(text.encode()) / 1e3
    click.echo(f"written: {name} ({f'{size_kb / 1e3:.1f} MB' if size_kb >= 1_000 else f'{size_kb:.1f} kB'})", err=True)  # noqa: PLR2004


def _print_report(runs: list[Any]) -> None:
    from simulator.load import Verdict, render  # noqa: PLC0415
    from simulator.report import plain_comparison  # noqa: PLC0415

    if len(runs) == 1:
        render(Verdict(runs[0].verdict))
    else:
        click.echo(plain_comparison(runs))
