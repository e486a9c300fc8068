"""LLaMA-Factory's files, read as recipes: each key becomes something, needs nothing here, or is refused by name."""

from kamerton.recipe.llamafactory.fates import Became, Equal, Key, Refused
from kamerton.recipe.llamafactory.flags import as_overrides
from kamerton.recipe.llamafactory.keys import KEYS
from kamerton.recipe.llamafactory.templates import TEMPLATES
from kamerton.recipe.llamafactory.translation import Told, Translation, is_llamafactory, part_overrides, translate

__all__ = [
    "KEYS",
    "TEMPLATES",
    "Became",
    "Equal",
    "Key",
    "Refused",
    "Told",
    "Translation",
    "as_overrides",
    "is_llamafactory",
    "part_overrides",
    "translate",
]
