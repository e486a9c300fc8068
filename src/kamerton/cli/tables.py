"""Tables and numbers for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from kamerton.cli.screen import shown
from kamerton.records.comparison import ComparisonRecord
from kamerton.records.evaluation import EvaluationRecord, MetricResult

__all__ = ["comparison_table", "metrics_table", "moment", "plain_table", "subsets_table"]


def plain_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = (), wrap: Sequence[str] = ()
) -> Table:
    """A light table; texts are taken as they are.

    Args:
        right: columns that are aligned to the right.
        wrap: columns that are broken into lines where the screen is narrow; the others are kept on one line, and what
            does not fit even then ends in an ellipsis.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column in columns:
        give = column in wrap
        table.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold" if give else "ellipsis",
            no_wrap=not give,
        )
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    return table


def moment(time: str) -> str:
    """An ISO 8601 time to the minute, as people read it."""
    return time[:16].replace("T", " ")


def metrics_table(records: Sequence[EvaluationRecord]) -> Table:
    """One row a metric and set, one column a model, each value with its interval below."""
    models = list(dict.fromkeys(record.model for record in records))
    found = {(record.set_name, record.model, name): m for record in records for name, m in record.metrics.items()}
    rows = []
    for set_name, metric in dict.fromkeys((set_name, metric) for set_name, _, metric in found):
        cells = [_value(found.get((set_name, model, metric))) for model in models]
        rows.append([metric if set_name == "test" else f"{metric} on {set_name}", *cells])
    return plain_table(["", *models], rows, right=models)


def subsets_table(records: Sequence[EvaluationRecord]) -> Table:
    """One row a metric, set and model: its value on the clean and on the contaminated items."""
    rows = [
        [
            f"{metric} on {record.set_name}",
            record.model,
            *(_counted(subset[metric]) for subset in record.subsets.values()),
        ]
        for record in records
        if record.subsets
        for metric in record.metrics
    ]
    return plain_table(["", "model", "clean", "contaminated"], rows, right=("clean", "contaminated"))


def _counted(result: MetricResult) -> str:
    return f"{_value(result)}, n = {result.n_items}"


def _value(result: MetricResult | None) -> str:
    if result is None:
        return ""
    if result.value is None:
        return "-"
    digits = 3 if result.value < 100 else 1
    if result.low is None or result.high is None:
        return f"{result.value:.{digits}f}"
    return f"{result.value:.{digits}f}\n[{result.low:.{digits}f}, {result.high:.{digits}f}]"


def comparison_table(record: ComparisonRecord) -> Table:
    """One row a metric and baseline: difference with interval, corrected p, smallest effect that would be found."""
    rows = []
    for entry in record.entries:
        percent = entry.scale == "relative"
        difference = _difference(entry.difference, percent)
        if entry.low is not None:
            difference += f"\n[{_difference(entry.low, percent)}, {_difference(entry.high, percent)}]"
        detectable = _difference(entry.minimum_detectable_effect, percent).lstrip("+")
        rows.append([entry.metric, entry.baseline, difference, _p(entry.p_adjusted), detectable, entry.verdict])
    columns = ["metric", "against", "difference", "p (Holm)", "detectable", "verdict"]
    return plain_table(columns, rows, right=("difference", "p (Holm)", "detectable"), wrap=("against", "verdict"))


def _difference(value: float | None, percent: bool) -> str:
    if value is None:
        return "-"
    return f"{value:+.1%}" if percent else f"{value:+.3f}"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"
