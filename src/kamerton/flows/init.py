"""Init: a new project folder with a recipe, sample data, a CI workflow, .gitignore and .gitattributes."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path

from kamerton.flows.versions import ATTRIBUTES
from kamerton.ground.errors import RequestError
from kamerton.ground.files import write_text

__all__ = ["init"]

_SAMPLE = {
    "recipe.yaml": "recipe.yaml",
    "data/letters.pl.jsonl": "letters.pl.jsonl",
    "data/letters-rare.pl.jsonl": "letters-rare.pl.jsonl",
    "data/letters.en.jsonl": "letters.en.jsonl",
    "data/general.jsonl": "general.jsonl",
    "data/README.md": "README.md",
}
"""Project files by the name of the packaged sample they come from."""

_IGNORED = "# Runs, data-set stores, databases and keys: everything that Git does not keep\n.kamerton/\n"

_WORKFLOW = """\
name: kamerton
on: [push, pull_request]
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install kamerton
      - run: kamerton check recipe.yaml
"""


def init(folder: Path | str) -> list[Path]:
    """Write the files of a new project; files that are there already with the same content are left as they are.

    Raises:
        RequestError: a file of the project is there with other content; nothing is written.
    """
    root = Path(folder).resolve()
    if root.exists() and not root.is_dir():
        raise RequestError("this is a file", where=str(root), expected="a new folder")
    texts = _texts()
    differing = [name for name, text in texts.items() if (root / name).exists() and _read(root / name) != text]
    if differing:
        raise RequestError(
            "the folder has other files of a project",
            where=", ".join(str(root / name) for name in differing),
            expected="a new or empty folder",
            mend="choose another folder: kamerton init NAME",
        )
    written = [root / name for name in texts if not (root / name).exists()]
    for path in written:
        write_text(path, texts[path.relative_to(root).as_posix()])
    _git(root)
    return written


def _texts() -> dict[str, str]:
    sample = resources.files("kamerton") / "samples" / "town_hall"
    texts = {name: (sample / packaged).read_text(encoding="utf-8") for name, packaged in _SAMPLE.items()}
    return texts | {".gitignore": _IGNORED, ".gitattributes": ATTRIBUTES, ".github/workflows/kamerton.yml": _WORKFLOW}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _git(root: Path) -> None:
    """Make the folder a Git repository, unless it is inside one or there is no Git."""
    try:
        inside = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--is-inside-work-tree"], capture_output=True, check=False
        )
        if inside.returncode != 0:
            subprocess.run(["git", "-C", str(root), "init", "-q", "-b", "main"], capture_output=True, check=False)
    except OSError:
        return
