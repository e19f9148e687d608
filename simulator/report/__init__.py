"""Reports over saved results: read, compared and laid out, never played again."""

from simulator.report.gather import read_run
from simulator.report.json_document import json_document
from simulator.report.junit import junit
from simulator.report.markdown import markdown
from simulator.report.page import html_page
from simulator.report.plain import plain_comparison
from simulator.report.run_report import RunReport

MOST_COMPARED = 6
"""Runs side by side: as many as a page has colours for."""

__all__ = [
    "MOST_COMPARED",
    "RunReport",
    "html_page",
    "json_document",
    "junit",
    "markdown",
    "plain_comparison",
    "read_run",
]
