"""Kamerton: fine-tuning you can prove.

Everything that a command does is one function here; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kamerton.flows.chat import Conversation, generate
    from kamerton.flows.check import check
    from kamerton.flows.compare import compare, compare_on, judge
    from kamerton.flows.datasets import check_data, commit_data, diff_data, read_data, split_data, tag_data
    from kamerton.flows.demo import demo
    from kamerton.flows.evaluate import evaluate, evaluate_on
    from kamerton.flows.follow import runs, stop, sync_runs, watch
    from kamerton.flows.init import init
    from kamerton.flows.manager import FineTuningManager, TrainingMonitor
    from kamerton.flows.promote import promote, register, rollback
    from kamerton.flows.rebuild import rebuild
    from kamerton.flows.report import report
    from kamerton.flows.train import load_recipe, resume, train
    from kamerton.ground.errors import KamertonError
    from kamerton.ground.settings import Workspace

_PLACES = {
    "Conversation": "flows.chat",
    "FineTuningManager": "flows.manager",
    "KamertonError": "ground.errors",
    "TrainingMonitor": "flows.manager",
    "Workspace": "ground.settings",
    "check": "flows.check",
    "check_data": "flows.datasets",
    "commit_data": "flows.datasets",
    "compare": "flows.compare",
    "compare_on": "flows.compare",
    "demo": "flows.demo",
    "diff_data": "flows.datasets",
    "evaluate": "flows.evaluate",
    "evaluate_on": "flows.evaluate",
    "generate": "flows.chat",
    "init": "flows.init",
    "judge": "flows.compare",
    "load_recipe": "flows.train",
    "promote": "flows.promote",
    "read_data": "flows.datasets",
    "rebuild": "flows.rebuild",
    "register": "flows.promote",
    "report": "flows.report",
    "resume": "flows.train",
    "rollback": "flows.promote",
    "runs": "flows.follow",
    "split_data": "flows.datasets",
    "stop": "flows.follow",
    "sync_runs": "flows.follow",
    "tag_data": "flows.datasets",
    "train": "flows.train",
    "watch": "flows.follow",
}

__all__ = [
    "Conversation",
    "FineTuningManager",
    "KamertonError",
    "TrainingMonitor",
    "Workspace",
    "check",
    "check_data",
    "commit_data",
    "compare",
    "compare_on",
    "demo",
    "diff_data",
    "evaluate",
    "evaluate_on",
    "generate",
    "init",
    "judge",
    "load_recipe",
    "promote",
    "read_data",
    "rebuild",
    "register",
    "report",
    "resume",
    "rollback",
    "runs",
    "split_data",
    "stop",
    "sync_runs",
    "tag_data",
    "train",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'kamerton' has no attribute {name!r}")
    return getattr(importlib.import_module(f"kamerton.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
