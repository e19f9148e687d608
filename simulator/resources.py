"""Where the files that come with the tool are: the one stack template and the scenario library.

An installed wheel carries them inside the package (`simulator/_bundled`); a checkout has them at its root, where they
are edited. Both look the same from here.
"""

from __future__ import annotations

from pathlib import Path

from simulator.errors import EnvironmentFailure

_PACKAGE = Path(__file__).resolve().parent


def resource_roots() -> tuple[Path, ...]:
    """The folders that are searched, the first one wins: the checkout around the package, then the wheel's own copy.

    The checkout comes first, so that an edited template is never hidden by a copy left over from a build.
    """
    return (_PACKAGE.parent, _PACKAGE / "_bundled")


def bundled(name: str) -> Path:
    """The path of a file or folder that comes with the tool: `template.yaml`, `scenarios`, `scenarios/quickstart.toml`.

    Raises EnvironmentFailure when neither the checkout nor the wheel has it: the installation is damaged.
    """
    for root in resource_roots():
        candidate = root / name
        if candidate.exists() and _belongs_to_the_tool(root):
            return candidate
    raise EnvironmentFailure(
        f"{name} did not come with this installation of tracker-sim ({_PACKAGE}); reinstall it with "
        f'`pip install --force-reinstall "vendor-tracker[simulator]"`.'
    )


def _belongs_to_the_tool(root: Path) -> bool:
    """True for the wheel's copy and for a real checkout; an unrelated `template.yaml` in site-packages is not ours."""
    return root.name == "_bundled" or (root / "pyproject.toml").is_file()
