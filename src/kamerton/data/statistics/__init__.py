"""Statistics: what a set is like in numbers, and the checklist that is made of them."""

from kamerton.data.statistics.checklist import CheckContext, checklist
from kamerton.data.statistics.diversity import Embedder
from kamerton.data.statistics.measure import measure
from kamerton.data.statistics.tokens import TokenLimit

__all__ = ["CheckContext", "Embedder", "TokenLimit", "checklist", "measure"]
