"""Alarms: one file each, folds over the records of a run; the same ones live, after a resumption and in a diagnosis."""

from kamerton.training.monitors.alarm import Alarm, Monitor, Severity
from kamerton.training.monitors.watch import Action, Watch, decide, diagnose

__all__ = ["Action", "Alarm", "Monitor", "Severity", "Watch", "decide", "diagnose"]
