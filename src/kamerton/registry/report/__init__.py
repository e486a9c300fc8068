"""Report: what was proven about one model, from its records alone, for people and for machines."""

from kamerton.registry.report.document import build_document
from kamerton.registry.report.inputs import ReportInputs
from kamerton.registry.report.markdown import render_markdown
from kamerton.registry.report.render import render_data_html, render_html
from kamerton.registry.report.write import write_report

__all__ = ["ReportInputs", "build_document", "render_data_html", "render_html", "render_markdown", "write_report"]
