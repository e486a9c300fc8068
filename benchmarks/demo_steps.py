"""Time and peak memory of each step of the demo, every one as the command that does it by hand, in a fresh process.

python benchmarks/demo_steps.py [FOLDER]
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

from measure import KAMERTON, measure

from kamerton.flows.demo import STEPS


def main(folder: Path) -> None:
    print("| step | command | wall s | CPU s | peak MiB |\n|---|---|---|---|---|")
    total = 0.0
    for step in STEPS:
        found = measure([*KAMERTON, *shlex.split(step.command)[1:]], folder)
        if found.code:
            sys.exit(f"{step.command}: exit {found.code}\n{found.output}")
        total += found.wall
        print(
            f"| {step.name} | `{step.command}` | {found.wall:.1f} | {found.cpu:.1f} | {found.peak_mib:.0f} |",
            flush=True,
        )
    print(f"| all | | {total:.1f} | | |")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="kamerton-steps-")))
