"""Tracking: followers of the journal. A follower that fails or is away never touches training; it catches up later."""

from kamerton.tracking.follower import SyncReport, sync, unavailable
from kamerton.tracking.live import LiveFollower
from kamerton.tracking.store import connect

__all__ = ["LiveFollower", "SyncReport", "connect", "sync", "unavailable"]
