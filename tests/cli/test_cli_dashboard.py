"""A run on one screen, at any size."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from rich.text import Text

from kamerton.cli.charts import draw
from kamerton.cli.dashboard import Dashboard


def board(steps: int = 100, of: int = 1000, **more: Any) -> Dashboard:
    found = Dashboard("training")
    for step in range(1, steps + 1):
        event = {
            "step": step,
            "steps": of,
            "epoch": step / of,
            "loss": 3.0 - step / of,
            "grad_norm": 1.0,
            "learning_rate": 1e-4,
            "tokens_per_second": 5000.0,
            "memory_mib": 1536,
        }
        found.tell_step(event | more, 2.0 * step)
    return found


def text(found: Dashboard, width: int = 80, height: int = 24) -> str:
    return "\n".join(line.plain for line in found.render(width, height))


def test_progress_rate_and_remaining_time_are_told() -> None:
    first = text(board()).splitlines()[0]
    assert "100/1,000  10%" in first
    assert "2.0 s/step" in first
    assert first.endswith("30 min 00 s left")


@pytest.mark.parametrize(("width", "across"), [(80, 2), (120, 4)])
def test_every_curve_has_its_place(width: int, across: int) -> None:
    found = board()
    found.tell_validation(50, 2.5)
    lines = text(found, width, 30).splitlines()
    assert any("loss 2.900   ● validation 2.500   epoch 0.10" in line for line in lines)
    names = ["learning rate 1.0e-4", "gradient norm 1.000", "tokens/s 5,000", "memory 1.50 GiB"]
    row = next(line for line in lines if names[0] in line)
    assert sum(name in row for name in names) == across
    assert all(any(name in line for line in lines) for name in names)


@pytest.mark.parametrize("width", [1, 5, 20, 39, 40, 60, 79, 80, 111, 112, 119, 300])
@pytest.mark.parametrize("height", [1, 2, 5, 10, 16, 24, 60])
def test_it_fits_every_screen(width: int, height: int) -> None:
    found = board(metrics={"reward_margin": 0.5, "a name that is longer than any place for it": 1.0, "kl": 0.1})
    found.tell_validation(50, 2.5)
    for step in (10, 20, 30):
        found.tell_alarm({"kind": "alarm", "alarm": "spike", "step": step, "symptom": "ż" * 400})
    found.tell_news("saved " * 50)
    lines = found.render(width, height)
    assert 1 <= len(lines) <= max(height, 1)
    assert max(line.cell_len for line in lines) <= width


def test_a_low_screen_gives_up_the_small_charts_first() -> None:
    high, low = text(board(), 80, 24), text(board(), 80, 11)
    assert "memory" in high
    assert "memory" not in low
    assert "loss 2.900" in low


def test_the_last_two_alarms_stay() -> None:
    found = board()
    for step in (10, 20, 1030):
        found.tell_alarm({"kind": "alarm", "alarm": "spike", "step": step, "symptom": "the loss jumped"})
    shown = text(found)
    assert "! spike at step 1,030: the loss jumped" in shown
    assert "at step 20" in shown
    assert "at step 10:" not in shown


def test_what_comes_from_a_run_cannot_steer_the_terminal() -> None:
    found = board(metrics={"kl\x1b[2J\nx": 1.0})
    found.tell_alarm({"kind": "alarm", "alarm": "a\x1b[2J", "step": "7", "symptom": "b\nc\r\x9b"})
    found.tell_news("d\ne")
    shown = text(found, 80, 40)
    assert not any(letter in shown for letter in "\x1b\r\x9b")
    assert "b c" in shown
    assert "d e" in shown


def test_an_older_run_has_the_curves_that_it_has() -> None:
    found = Dashboard("training")
    found.tell_step({"step": 1, "loss": 2.0, "tokens_per_second": None, "metrics": None}, 0.0)
    shown = text(found)
    assert "loss 2.000" in shown
    assert "memory" not in shown
    assert "tokens/s" not in shown


@pytest.mark.parametrize("loss", [None, float("nan"), float("inf")])
def test_a_step_without_a_finite_loss_leaves_the_others(loss: float | None) -> None:
    found = board(3)
    found.tell_step({"step": 4, "steps": 9, "loss": loss}, 9.0)
    assert "4/9" in text(found)
    assert "loss 2.997" in text(found)


def test_a_resumption_begins_a_rate_of_its_own() -> None:
    found = board(10)
    found.tell_step({"step": 6, "steps": 10, "loss": 1.0}, 1000.0)
    assert found.seconds_left is None
    found.tell_step({"step": 7, "steps": 10, "loss": 1.0}, 1001.0)
    assert found.seconds_left == 3.0
    assert "7/10" in text(found)


def test_who_tells_waits_for_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A curve that grows while it is drawn would be drawn outside its place."""
    found = board(3)
    tellers = []

    def drawn(*arguments: Any) -> list[Text]:
        teller = Thread(target=found.tell_step, args=({"step": 4, "steps": 9, "loss": 1.0}, 9.0))
        teller.start()
        teller.join(0.05)
        tellers.append((teller, teller.is_alive()))
        return draw(*arguments)

    monkeypatch.setattr("kamerton.cli.dashboard.draw", drawn)
    found.render(80, 10)
    for teller, waited in tellers:
        teller.join()
        assert waited
    assert tellers
    assert found.step == 4
