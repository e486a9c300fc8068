"""Where things live: the workspace is a folder, `.kamerton/` inside it holds what Git does not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kamerton.ground.files import make_folder

__all__ = ["Workspace", "offline"]


@dataclass(frozen=True)
class Workspace:
    """The user's project folder and the places inside its home (`.kamerton/`, or `KAMERTON_HOME`)."""

    root: Path
    home: Path

    @classmethod
    def at(cls, root: Path | str = ".") -> Workspace:
        """The workspace of a folder; nothing is created."""
        # `realpath` leaves a link that leads to itself as it is: whoever writes there is told.
        folder = Path(os.path.realpath(root))
        home = os.environ.get("KAMERTON_HOME", "").strip()
        return cls(folder, Path(os.path.realpath(os.path.expanduser(home))) if home else folder / ".kamerton")

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def datasets(self) -> Path:
        return self.home / "datasets"

    @property
    def pointers(self) -> Path:
        """Data-set pointer files, which belong in Git."""
        return self.root / "datasets"

    @property
    def artifacts(self) -> Path:
        return self.home / "artifacts"

    @property
    def evaluations(self) -> Path:
        return self.home / "evaluations"

    @property
    def tokens(self) -> Path:
        """Tokenised examples, kept between runs."""
        return self.home / "cache" / "tokens"

    @property
    def tracking_uri(self) -> str:
        """`MLFLOW_TRACKING_URI`, or a SQLite file in the home."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.home / 'mlflow.db'}"

    def ensure(self) -> Workspace:
        """Create the home folder.

        Raises:
            StorageError: it cannot be made there, or may not be written.
        """
        make_folder(self.home)
        return self


def offline() -> bool:
    """Whether the user forbade the network (`HF_HUB_OFFLINE`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}
