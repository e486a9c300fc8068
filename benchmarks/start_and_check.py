"""Start-up time of the command line, and the speed of `data check`.

python benchmarks/start_and_check.py [FILE.jsonl ...]
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

from measure import KAMERTON, measure


def main(files: list[Path]) -> None:
    here = Path.cwd()
    for words in (["--help"], ["train", "--help"], ["data", "check", "--help"]):
        runs = [measure([*KAMERTON, *words], here) for _ in range(7)]
        cpu, wall = (statistics.median(getattr(run, name) for run in runs) for name in ("cpu", "wall"))
        print(f"kamerton {' '.join(words)}: {cpu:.3f} s CPU, {wall:.3f} s wall (median of 7)")
    for path in files:
        found = measure([*KAMERTON, "data", "check", str(path), "--json"], here)
        rows = json.loads(found.output)["rows_read"]
        print(
            f"data check {path.name}: {rows} rows in {found.wall:.1f} s wall, {found.cpu:.1f} s CPU: "
            f"{rows / found.wall:,.0f} rows/s, peak {found.peak_mib:.0f} MiB"
        )


if __name__ == "__main__":
    main([Path(name).resolve() for name in sys.argv[1:]])
