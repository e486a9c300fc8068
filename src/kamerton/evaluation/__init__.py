"""Evaluation: a model measured on a set, and compared with others on the same items."""

from kamerton.evaluation.compare import compare
from kamerton.evaluation.evaluate import evaluate, worst_items
from kamerton.evaluation.few_shot import FewShotGenerator, choose_examples, few_shot_prompt
from kamerton.evaluation.generator import Generator, Judge

__all__ = [
    "FewShotGenerator",
    "Generator",
    "Judge",
    "choose_examples",
    "compare",
    "evaluate",
    "few_shot_prompt",
    "worst_items",
]
