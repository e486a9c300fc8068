"""Progress: a line that moves in a terminal, a line now and then elsewhere, and nothing that gets in the way."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from kamerton.cli.progress import EvaluationProgress, StepProgress, TrainingProgress
from kamerton.cli.screen import Screen


def _step(step: int, **more: Any) -> dict[str, Any]:
    return {"step": step, "steps": 3, "loss": 1.5, "tokens_per_second": 1234.5} | more


def _terminal() -> tuple[Screen, io.StringIO]:
    screen, file = Screen(json=False), io.StringIO()
    screen._console = Console(file=file, force_terminal=True, width=100)
    return screen, file


def test_elsewhere_the_first_and_the_last_step_have_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress(Screen(json=False)) as progress:
        for step in (1, 2):
            progress(_step(step))
        progress({"step": 2, "steps": 3, "validation_loss": 1.25})
        progress({"notice": "MLflow is behind"})
        progress(_step(3))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "training: step 1/3  loss 1.500  1,234 tok/s"
    assert lines[1] == "MLflow is behind"
    assert lines[2].startswith("training: step 3/3  loss 1.500  validation 1.250  1,234 tok/s  ")
    assert lines[2].endswith(" s left")
    assert len(lines) == 3


def test_without_a_step_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A blank line on stdout would break whoever reads it."""
    with TrainingProgress(Screen(json=False)):
        pass
    assert capsys.readouterr() == ("", "")
    screen, file = _terminal()
    with TrainingProgress(screen):
        assert file.getvalue() == ""


def test_in_a_terminal_the_line_begins_with_the_first_step_and_goes_with_the_last() -> None:
    screen, file = _terminal()
    with TrainingProgress(screen) as training, EvaluationProgress(screen) as evaluation:
        for step in (1, 2, 3):
            training(_step(step))
        assert "training" in file.getvalue()
        at = len(file.getvalue())
        for done in (0, 5, 10):
            evaluation("tuned on test: generate", done, 10)
        screen.say("a result")
    after = file.getvalue()[at:]
    assert "training" not in after, "the bar of the training must not stand beside the evaluation"
    assert "tuned on test: generate: 10/10" in after
    assert "a result" in after


def test_elsewhere_an_alarm_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress(Screen(json=False)) as progress:
        progress(_step(1))
        progress({"kind": "alarm", "alarm": "spike", "step": 1, "symptom": "the loss jumped"})
        progress.news("12:00:00 saved {}")
    assert not progress.draws
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["! spike at step 1: the loss jumped", "12:00:00 saved {}"]


def test_in_a_terminal_charts_are_drawn_and_kept_if_asked_for() -> None:
    screen, file = _terminal()
    with TrainingProgress(screen, keep=True) as progress:
        assert progress.draws
        for step in (1, 2, 3):
            progress(_step(step, grad_norm=2.0))
        progress({"step": 3, "validation_loss": 1.25})
        progress.news("12:00:00 finished {}")
    last = file.getvalue().rpartition("training ")[2]
    for part in ("3/3", "loss 1.500", "validation 1.250", "gradient norm 2.000", "12:00:00 finished {}", "┤"):
        assert part in last, part
    assert "\x1b[?25h" in file.getvalue(), "the cursor is shown again"


@pytest.mark.parametrize("narrow", [20, 50, 99])
def test_a_terminal_that_becomes_narrower_keeps_no_rest_of_the_charts(narrow: int) -> None:
    """The terminal breaks the lines that stand there: as many more are taken away."""
    screen, file = _terminal()
    with TrainingProgress(screen, keep=True) as progress:
        progress(_step(1))
        live = progress._live
        assert live is not None
        broken = sum(-(-length // narrow) - 1 for length in live._drawn if length)
        screen.console.width = narrow
        at, before = len(file.getvalue()), len(live._drawn)
        live.refresh()
        ups = file.getvalue()[at:].count("\x1b[1A")
    assert ups == broken + before - 1


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "unknown"}])
def test_a_terminal_that_cannot_move_its_cursor_has_lines(environment: dict[str, str]) -> None:
    screen, file = Screen(json=False), io.StringIO()
    screen._console = Console(file=file, force_terminal=True, width=100, _environ=environment)
    with TrainingProgress(screen) as progress:
        progress(_step(1))
    assert file.getvalue() == "training: step 1/3  loss 1.500  1,234 tok/s\n"


def test_each_stage_of_an_evaluation_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with EvaluationProgress(Screen(json=False)) as progress:
        for what in ("tuned: generate", "tuned: score"):
            for done in (0, 4, 8):
                progress(what, done, 8)
    assert capsys.readouterr().out == "      tuned: generate: 8 items\n      tuned: score: 8 items\n"


def test_steps_are_a_line_in_a_terminal_that_goes(capsys: pytest.CaptureFixture[str]) -> None:
    screen, file = _terminal()
    with StepProgress(screen) as progress:
        assert file.getvalue() == ""
        progress("read [/bold] \x1b[2Jletters.jsonl, 45 %")
    with StepProgress(screen) as progress:
        progress("x" * 300)
        progress.hide()
        at = len(file.getvalue())
        screen.say("a result")
    text = file.getvalue()
    assert "read [/bold] \\x1b[2Jletters.jsonl, 45 %" in text
    assert "x" * 97 + "…" in text
    assert "x" * 98 not in text, "a line that is broken cannot be taken away"
    assert text[at:] == "a result\n"


def test_steps_are_nothing_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with StepProgress(Screen(json=False)) as progress:
        progress("read letters.jsonl, 45 %")
    assert capsys.readouterr() == ("", "")


def test_an_error_takes_the_line_away() -> None:
    screen, file = _terminal()

    def work() -> None:
        with StepProgress(screen) as progress:
            progress("leaks")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert "\x1b[?25h" in file.getvalue(), "the cursor is shown again"
