"""Chart.js, the library that draws the charts of a report.

It comes inside the wheel of the package `chartkick` (MIT, as Chart.js is), is copied whole into each report with its
licence notice, and nothing of the package is ever imported.
"""

from __future__ import annotations

from importlib import metadata

from simulator.errors import EnvironmentFailure

PACKAGE = "chartkick"
_FILE = "Chart.bundle.js"


def chart_library() -> str:
    """The script. Raises EnvironmentFailure when the package is not there."""
    try:
        files = metadata.files(PACKAGE) or ()
    except metadata.PackageNotFoundError:
        files = ()
    for file in files:
        if file.name == _FILE:
            return file.read_text(encoding="utf-8").replace("\r\n", "\n")
    raise EnvironmentFailure(
        f"the charts need the Python package {PACKAGE}, which is not installed; run "
        f"`pip install 'vendor-tracker[simulator]'`."
    )
