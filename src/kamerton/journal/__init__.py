"""Journal: the run folder, whose files are the truth about a run."""

from kamerton.journal.events import append_event, processes_of_steps, read_events
from kamerton.journal.run import RunFolder, RunState, find_run, list_runs
from kamerton.journal.trace import Trace, TraceStep, first_difference, read_trace

__all__ = [
    "RunFolder",
    "RunState",
    "Trace",
    "TraceStep",
    "append_event",
    "find_run",
    "first_difference",
    "list_runs",
    "processes_of_steps",
    "read_events",
    "read_trace",
]
