"""The command line as a reader of `--help` and of the README meets it."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from simulator.cli import cli

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(cli.commands)


def options_of(name):
    return [option for option in cli.commands[name].params if isinstance(option, click.Option) and not option.hidden]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_is_for(name):
    assert cli.commands[name].help
    assert [option.opts for option in options_of(name) if not option.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_value_an_option_may_take_by_default_is_in_its_help(name):
    untold = [
        option.opts[-1]
        for option in options_of(name)
        if isinstance(option.default, int | str)
        and not option.is_flag
        and not re.search(rf"Default: {re.escape(str(option.default))}\b", option.help)
    ]
    assert untold == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_answers_without_loading_anything(name):
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def commands_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    for line in lines:
        if line.startswith("$ "):
            for command in line.removeprefix("$ ").split("&&"):
                words = shlex.split(command)
                if words and words[0].endswith("tracker-sim"):
                    yield words[1:]


@pytest.mark.parametrize("words", list(commands_in_the_readme()), ids=" ".join)
def test_the_readmes_commands_are_understood(words):
    name, *arguments = words
    with cli.commands[name].make_context(name, arguments) as context:
        assert context.command is cli.commands[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name):
    assert f"`tracker-sim {name}" in (ROOT / "README.md").read_text(encoding="utf-8")
