"""Every alarm can be told in Polish: a sentence that changes takes its translation with it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from monitor_samples import alarming

import kamerton.training.monitors
from kamerton.registry.report.alarm_texts import _EVIDENCE, _SENTENCES, alarm_evidence, alarm_sentence
from kamerton.registry.report.language import LANGUAGES, Language
from kamerton.registry.report.terms import _ALARMS
from kamerton.training.monitors import Alarm

FIELDS = list(Alarm.__dataclass_fields__)
SENTENCES = [FIELDS.index(name) for name in ("symptom", "cause", "change")]


def _calls() -> Iterator[ast.Call]:
    """Each place where a monitor makes an alarm."""
    for path in sorted(Path(kamerton.training.monitors.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Alarm":
                yield node


def _patterns(node: ast.expr) -> list[str]:
    """What an argument can say, as regular expressions; a hole of an f-string is any text."""
    match node:
        case ast.Constant(value=str(text)):
            return [re.escape(text)]
        case ast.IfExp(body=one, orelse=other):
            return [*_patterns(one), *_patterns(other)]
        case ast.JoinedStr(values=parts):
            return ["".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in parts)]  # type: ignore[arg-type]
    raise AssertionError(f"line {node.lineno}: write the sentence where the alarm is made")


def test_every_kind_has_a_name() -> None:
    assert {ast.literal_eval(call.args[0]) for call in _calls()} == _ALARMS.keys()


def test_every_sentence_is_known_and_no_other() -> None:
    said = [pattern for call in _calls() for place in SENTENCES for pattern in _patterns(call.args[place])]
    assert [pattern for pattern in said if not any(re.fullmatch(pattern, known) for known in _SENTENCES)] == []
    assert [known for known in _SENTENCES if not any(re.fullmatch(pattern, known) for pattern in said)] == []


def test_the_samples_raise_every_kind_and_use_every_piece_of_evidence() -> None:
    raised = alarming()
    assert {alarm.kind for alarm in raised} == _ALARMS.keys()
    pieces = [piece for alarm in raised for piece in alarm.evidence.split("; ")]
    assert [text for text, pattern in _EVIDENCE.items() if not any(map(pattern.fullmatch, pieces))] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_all_that_an_alarm_says_is_told(code: str) -> None:
    language = Language(code)
    for alarm in alarming():
        assert all(alarm_sentence(language, text) for text in (alarm.symptom, alarm.cause, alarm.change)), alarm
        # The reason of a failure is whatever the error said.
        assert (alarm_evidence(language, alarm.evidence) is None) is (alarm.kind == "failed"), alarm.evidence


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        ("loss 9.000", "strata 9,000"),
        (
            "10,000 of 12,500 training examples are copies (80%)",
            "kopie wśród przykładów uczących: 10\u00a0000 z 12\u00a0500 (80\u00a0%)",
        ),
        (
            "training loss 2.0 in the first quarter, 1.9 in the last: a fall of +0.1 [-0.1, +0.3]; gradient norm 1.00",
            "strata treningowa 2,0 w pierwszej ćwiartce kroków, 1,9 w ostatniej: spadek o +0,1 [\u22120,1; +0,3]; "
            "norma gradientu 1,00",
        ),
        ("loss 9.000; a piece of another version", None),
        ("loss nan", None),
        ("", None),
    ],
)
def test_evidence_keeps_its_numbers(evidence: str, told: str | None) -> None:
    assert alarm_evidence(Language("pl"), evidence) == told


def test_what_is_none_of_ours_has_no_translation() -> None:
    assert alarm_sentence(Language("pl"), "the moon is too near") is None
    assert alarm_sentence(Language("pl"), "") is None
