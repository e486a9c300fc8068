"""Leaks: test items that stand in the training rows, by exact, partial, near and (optionally) semantic match.

| module | does |
|---|---|
| `probes` | the texts of the items that are looked for, and the set's own form, which is not |
| `stream`, `index` | training rows as hashed words; which pairs of a row and an item are worth a look |
| `judge` | the verdict on such a pair, by the words themselves |
| `embeddings` | questions alike by a static embedding model |
| `search` | all of it: a verdict for each item |
| `canaries`, `rewording` | planted leaks, to measure how many are found |
| `tasks`, `templates` | the items of lm-eval tasks |
"""

from kamerton.data.leaks.canaries import planted_leaks
from kamerton.data.leaks.search import LeakResult, contamination, contamination_of_sets, leak_report
from kamerton.data.leaks.tasks import is_task, read_task

__all__ = [
    "LeakResult",
    "contamination",
    "contamination_of_sets",
    "is_task",
    "leak_report",
    "planted_leaks",
    "read_task",
]
