"""A document as one HTML file that needs nothing else; every text is escaped by the template engine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from kamerton.records.data import DataReport
from kamerton.registry.report.data_page import build_data_page
from kamerton.registry.report.page import build_page

__all__ = ["render_data_html", "render_html"]


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("kamerton.registry.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_html(document: Mapping[str, Any], language: str) -> str:
    """One self-contained page: no script, no font, no picture from elsewhere.

    Args:
        document: what `build_document` gave.
        language: `en` or `pl`.

    Raises:
        RequestError: there is no such language.
    """
    return _environment().get_template("report.html.j2").render(page=build_page(document, language))


def render_data_html(report: DataReport, language: str) -> str:
    """The page of a data report; its one script, the search through the findings, is let in by its hash.

    Raises:
        RequestError: there is no such language.
    """
    return _environment().get_template("report.html.j2").render(page=build_data_page(report, language))
