"""Augment: more training rows made from those that are there, each with the row that it came from."""

from kamerton.data.augment.augment import AugmentResult, Rewriter, augment

__all__ = ["AugmentResult", "Rewriter", "augment"]
