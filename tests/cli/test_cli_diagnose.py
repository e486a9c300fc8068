"""`kamerton diagnose`: exit 1 where an alarm of severity `error` stands."""

from __future__ import annotations

import json
import math
from pathlib import Path

from tiny_project import kamerton


def _log(folder: Path, losses: list[float]) -> Path:
    lines = [{"step": number, "loss": loss} for number, loss in enumerate(losses, start=1)]
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"log_history": lines}), encoding="utf-8")
    return path


def test_a_good_run_and_a_broken_one(tmp_path: Path) -> None:
    good = kamerton(tmp_path, "diagnose", str(_log(tmp_path, [3.0 - 0.02 * number for number in range(60)])))
    assert good.code == 0
    assert good.out.startswith("no alarm")
    assert "not judged: forgetting" in good.out
    bad = kamerton(tmp_path, "diagnose", str(_log(tmp_path, [3.0, math.nan, 3.0])), "--json")
    assert bad.code == 1
    assert (bad.document["passed"], bad.document["alarms"][0]["kind"]) == (False, "non_finite")
    for word in ("evidence:", "likely cause:", "change:"):
        assert word in bad.err


def test_no_such_run(tmp_path: Path) -> None:
    answer = kamerton(tmp_path, "diagnose", "nothing")
    assert (answer.code, "no such run" in answer.err) == (2, True)
