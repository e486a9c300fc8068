"""The three files of a report."""

from __future__ import annotations

import json
from pathlib import Path

from kamerton.ground.files import write_text
from kamerton.registry.report.document import build_document
from kamerton.registry.report.inputs import ReportInputs
from kamerton.registry.report.markdown import render_markdown
from kamerton.registry.report.render import render_html

__all__ = ["write_report"]


def write_report(inputs: ReportInputs, folder: Path, language: str) -> dict[str, Path]:
    """Write report.html, report.md and report.json, each whole; the paths by `html`, `md` and `json`.

    All three are rendered before the first is written.

    Raises:
        RequestError: there is no such language.
        StorageError: the disk is full, or the folder may not be written.
    """
    document = build_document(inputs)
    texts = {
        "html": render_html(document, language),
        "md": render_markdown(document, language),
        "json": json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n",
    }
    paths = {kind: folder / f"report.{kind}" for kind in texts}
    for kind, text in texts.items():
        write_text(paths[kind], text)
    return paths
