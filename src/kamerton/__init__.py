"""Kamerton: fine-tuning you can prove.

Everything that a command does is one function here; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kamerton.ground.numerics import settle

# The switches that decide bits count only when they are set before torch is used: here, at every door.
settle()

if TYPE_CHECKING:
    from kamerton.flows.chat import Conversation, generate
    from kamerton.flows.check import check
    from kamerton.flows.check_data import check_data
    from kamerton.flows.clean_data import CleaningRequest, clean_data
    from kamerton.flows.compare import compare, compare_on, judge
    from kamerton.flows.datasets import commit_data, diff_data, export_data, read_data, tag_data, validate_data
    from kamerton.flows.demo import demo
    from kamerton.flows.evaluate import evaluate, evaluate_on
    from kamerton.flows.folds import cross_validate
    from kamerton.flows.follow import runs, stop, sync_runs, watch
    from kamerton.flows.init import init
    from kamerton.flows.leaks import find_leaks
    from kamerton.flows.manager import FineTuningManager, TrainingMonitor
    from kamerton.flows.prepare_data import prepare_data
    from kamerton.flows.promote import promote, register, rollback
    from kamerton.flows.protect_data import ProtectionRequest, protect_data
    from kamerton.flows.rebuild import rebuild
    from kamerton.flows.report import report
    from kamerton.flows.split_data import split_data
    from kamerton.flows.train import load_recipe, resume, train
    from kamerton.flows.versions import merge_data, restore_data, verify_data
    from kamerton.ground.errors import KamertonError
    from kamerton.ground.settings import Workspace


_PLACES = {
    "CleaningRequest": "flows.clean_data",
    "Conversation": "flows.chat",
    "FineTuningManager": "flows.manager",
    "KamertonError": "ground.errors",
    "ProtectionRequest": "flows.protect_data",
    "TrainingMonitor": "flows.manager",
    "Workspace": "ground.settings",
    "check": "flows.check",
    "check_data": "flows.check_data",
    "clean_data": "flows.clean_data",
    "commit_data": "flows.datasets",
    "compare": "flows.compare",
    "compare_on": "flows.compare",
    "cross_validate": "flows.folds",
    "demo": "flows.demo",
    "diff_data": "flows.datasets",
    "evaluate": "flows.evaluate",
    "evaluate_on": "flows.evaluate",
    "export_data": "flows.datasets",
    "find_leaks": "flows.leaks",
    "generate": "flows.chat",
    "init": "flows.init",
    "judge": "flows.compare",
    "load_recipe": "flows.train",
    "merge_data": "flows.versions",
    "prepare_data": "flows.prepare_data",
    "promote": "flows.promote",
    "protect_data": "flows.protect_data",
    "read_data": "flows.datasets",
    "rebuild": "flows.rebuild",
    "register": "flows.promote",
    "report": "flows.report",
    "restore_data": "flows.versions",
    "resume": "flows.train",
    "rollback": "flows.promote",
    "runs": "flows.follow",
    "split_data": "flows.split_data",
    "stop": "flows.follow",
    "sync_runs": "flows.follow",
    "tag_data": "flows.datasets",
    "train": "flows.train",
    "validate_data": "flows.datasets",
    "verify_data": "flows.versions",
    "watch": "flows.follow",
}

__all__ = [
    "CleaningRequest",
    "Conversation",
    "FineTuningManager",
    "KamertonError",
    "ProtectionRequest",
    "TrainingMonitor",
    "Workspace",
    "check",
    "check_data",
    "clean_data",
    "commit_data",
    "compare",
    "compare_on",
    "cross_validate",
    "demo",
    "diff_data",
    "evaluate",
    "evaluate_on",
    "export_data",
    "find_leaks",
    "generate",
    "init",
    "judge",
    "load_recipe",
    "merge_data",
    "prepare_data",
    "promote",
    "protect_data",
    "read_data",
    "rebuild",
    "register",
    "report",
    "restore_data",
    "resume",
    "rollback",
    "runs",
    "split_data",
    "stop",
    "sync_runs",
    "tag_data",
    "train",
    "validate_data",
    "verify_data",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'kamerton' has no attribute {name!r}")
    return getattr(importlib.import_module(f"kamerton.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
