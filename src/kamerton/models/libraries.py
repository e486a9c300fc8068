"""transformers and peft, imported without what they would import by the way and no language model needs.

They reach for scipy (matching boxes in pictures), scikit-learn and bitsandbytes wherever those are installed: a third
of the time to the first step, and 80 MiB. To be imported before any module that imports transformers.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any

from kamerton.ground.need import hidden, need, without_collector

__all__ = ["bitsandbytes"]


def _availability() -> list[Any]:
    """What transformers and peft remember of whether bitsandbytes is installed."""
    theirs = importlib.import_module("transformers.utils.import_utils")
    adapters = importlib.import_module("peft.import_utils")
    return [theirs.is_bitsandbytes_available, adapters.is_bnb_available, adapters.is_bnb_4bit_available]


def _import() -> None:
    # bitsandbytes would warn that nothing is fetched, and with 8 bits at each layer that its input is cast to fp16.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    # Where transformers was imported before, it remembers what is installed: then only the fetching is kept off.
    fresh = not {"transformers", "peft"} & sys.modules.keys()
    with without_collector(), hidden(*(("bitsandbytes", "scipy", "sklearn") if fresh else ("kernels",))):
        importlib.import_module("transformers.modeling_utils")
        importlib.import_module("peft")
        for asked in _availability():
            asked()  # remembered until `bitsandbytes` is wanted


def bitsandbytes() -> Any:
    """The library that quantises, imported without what it would fetch by itself.

    On a CPU with AVX512-BF16, bitsandbytes 0.50 asks the package `kernels`, where there is one, for code from the hub.

    Raises:
        MissingExtraError: it is not installed.
    """
    with hidden("kernels"):
        found = need("bitsandbytes", "quantization")
    for asked in _availability():
        asked.cache_clear()
    return found


_import()
