"""Items of every kind: tools reach the model, and what has no one answer is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kamerton.chat.generation import Generation, Score
from kamerton.chat.messages import Message
from kamerton.data.rows import Row
from kamerton.evaluation import FewShotGenerator, choose_examples, evaluate
from kamerton.ground.errors import DataError
from kamerton.recipe import EvaluationSection
from kamerton.testing import EchoGenerator

ASKED: Any = {"role": "user", "content": "Ile?"}
SAID: Any = {"role": "assistant", "content": "Ile?"}
CALL: Any = {"role": "assistant", "content": "", "tool_calls": [{"name": "licz", "arguments": "{}"}]}
TOOLS = '[{"name":"licz"}]'
OPTIONS = EvaluationSection(metrics=["exact_match", "perplexity"], resamples=200)


class Noting(EchoGenerator):
    """Keeps the tools that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, ...]] = []

    def generate(
        self, prompts: Sequence[list[Message]], max_new_tokens: int, *, tools: Sequence[str] = ()
    ) -> list[Generation]:
        self.seen.append(tuple(tools))
        return super().generate(prompts, max_new_tokens)

    def score(self, conversations: Sequence[list[Message]], *, tools: Sequence[str] = ()) -> list[Score]:
        self.seen.append(tuple(tools))
        return super().score(conversations)


def test_each_item_has_its_own_tools() -> None:
    rows = [Row(text="a"), Row(messages=(ASKED, SAID)), Row(messages=(ASKED, SAID), tools=TOOLS)]
    bare, few = Noting(), Noting()
    evaluate(bare, rows, OPTIONS, set_name="s")
    assert bare.seen == [("", TOOLS), ("", TOOLS)]
    fitted: list[str] = []
    examples = [Row(messages=(ASKED, SAID), group="g")]
    generator = FewShotGenerator(few, examples, fits=lambda prompt, tools: fitted.append(tools) is None)
    evaluate(generator, rows, OPTIONS, set_name="s")
    assert few.seen == bare.seen
    assert fitted == ["", TOOLS, "", TOOLS]


def test_a_generator_that_knows_no_tools_is_asked_for_none() -> None:
    class Old:
        name = "old"

        def generate(self, prompts: Sequence[list[Message]], max_new_tokens: int) -> list[Generation]:
            return [Generation("Ile?", 1, True) for _ in prompts]

        def score(self, conversations: Sequence[list[Message]]) -> list[Score]:
            return [Score(1.0, 1) for _ in conversations]

    record = evaluate(Old(), [Row(messages=(ASKED, SAID))], OPTIONS, set_name="s")  # type: ignore[arg-type]
    assert record.metrics["exact_match"].value == 1.0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row(messages=(ASKED,), ranked=(SAID, CALL), file="a.jsonl", line=3), "the row is ranked"),
        (Row(messages=(ASKED, SAID), liked=False, file="a.jsonl", line=3), "the row is rated"),
        (Row(messages=(ASKED, CALL), file="a.jsonl", line=3), "a call of tools"),
    ],
)
def test_what_has_no_one_answer_is_refused(row: Row, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        evaluate(EchoGenerator(), [Row(messages=(ASKED, SAID)), row], OPTIONS, set_name="s")
    assert caught.value.where == "a.jsonl:3"
    assert caught.value.mend


def test_the_likelihood_of_a_call_can_be_measured() -> None:
    options = EvaluationSection(metrics=["perplexity"], resamples=200)
    record = evaluate(Noting(), [Row(messages=(ASKED, CALL), tools=TOOLS)], options, set_name="s")
    assert record.items[0].reference == '{"name": "licz", "arguments": {}}'


def test_judged_rows_are_no_examples() -> None:
    judged = [Row(messages=(ASKED, SAID), liked=True), Row(messages=(ASKED, SAID), ranked=(SAID, CALL))]
    with pytest.raises(DataError, match="1 examples are asked for"):
        choose_examples(judged, 1, 0)
