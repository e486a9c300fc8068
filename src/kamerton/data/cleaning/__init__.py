"""Cleaning: what is wrong with a row's text, mended or set aside as `data.clean` says, and never in silence."""

from kamerton.data.cleaning.clean import CleanResult, clean
from kamerton.data.cleaning.language import language_of

__all__ = ["CleanResult", "clean", "language_of"]
