"""The metrics, one file each."""

from kamerton.evaluation.metrics.accuracy import Accuracy
from kamerton.evaluation.metrics.base import Metric, Observed
from kamerton.evaluation.metrics.exact_match import ExactMatch
from kamerton.evaluation.metrics.form import Form
from kamerton.evaluation.metrics.macro_f1 import MacroF1
from kamerton.evaluation.metrics.pair_accuracy import PairAccuracy
from kamerton.evaluation.metrics.perplexity import Perplexity
from kamerton.evaluation.metrics.token_f1 import TokenF1

__all__ = ["METRICS", "Metric", "Observed"]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (Accuracy(), MacroF1(), ExactMatch(), Form(), TokenF1(), Perplexity(), PairAccuracy())
}
"""The metrics that a recipe can name."""
