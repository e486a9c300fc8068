"""Export: rows as files for other tools, and what those files cannot carry."""

from kamerton.data.export.formats import FORMATS, FormatName
from kamerton.data.export.hosted import MODEL_CONTEXT, TARGETS, HostedReport, Target, validate_file
from kamerton.data.export.report import ExportedFile, ExportReport
from kamerton.data.export.write import export_rows, write_jsonl

__all__ = [
    "FORMATS",
    "MODEL_CONTEXT",
    "TARGETS",
    "ExportReport",
    "ExportedFile",
    "FormatName",
    "HostedReport",
    "Target",
    "export_rows",
    "validate_file",
    "write_jsonl",
]
