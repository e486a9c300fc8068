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
    "row",
    [
        Row(messages=(ASKED, CALL), file="a.jsonl", line=3),
        Row(messages=(ASKED,), ranked=(CALL, SAID), file="a.jsonl", line=3),
    ],
)
def test_an_answer_that_calls_tools_cannot_be_compared(row: Row) -> None:
    with pytest.raises(DataError, match="a call of tools") as caught:
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


def said(text: str) -> Any:
    return {"role": "assistant", "content": text}


def test_ranked_rows_are_measured_on_their_best_answer_and_as_pairs() -> None:
    """A model that finds long words likely prefers them, however long the answer is."""
    likely = EchoGenerator(nats_per_token=lambda text: 1.0 / max(map(len, text.split())))
    rows = [
        Row(messages=(ASKED,), ranked=(said("Ile?"), said("a b")), group="1"),
        Row(messages=(ASKED,), ranked=(said("b"), said("dłuższe słowa tutaj")), group="2"),
        Row(messages=(ASKED,), ranked=(said("najdłuższe"), said("b"), said("dłuższe")), group="3"),
        Row(messages=(ASKED,), ranked=(said("abc"), said("def")), group="4"),
        Row(messages=(ASKED, said("Ile?")), group="5"),
    ]
    record = evaluate(likely, rows, OPTIONS, set_name="s")
    assert [item.reference for item in record.items] == ["Ile?", "b", "najdłuższe", "abc", "Ile?"]
    assert [item.values["pair_accuracy"] for item in record.items] == [1.0, 0.0, 1.0, 0.0, None]
    assert record.metrics["exact_match"].value == 0.4
    pairs = record.metrics["pair_accuracy"]
    assert (pairs.value, pairs.n_items, pairs.method) == (0.5, 4, "wilson")
    assert record.metrics["perplexity"].n_items == 5


def test_pair_accuracy_is_measured_only_where_there_are_pairs() -> None:
    options = EvaluationSection(metrics=["exact_match", "pair_accuracy"], resamples=200)
    assert set(evaluate(EchoGenerator(), [Row(messages=(ASKED, SAID))], options, set_name="s").metrics) == {
        "exact_match"
    }


def test_disliked_answers_are_no_references_and_are_counted() -> None:
    rows = [Row(messages=(ASKED, SAID), liked=liked, group=str(n)) for n, liked in enumerate([True, False, True])]
    record = evaluate(
        EchoGenerator(), rows, OPTIONS, set_name="s", clusters=[5, 6, 7], contaminated=[True, False, False]
    )
    assert (len(record.items), record.left_out, record.contaminated, record.n_clusters) == (2, 1, 1, 2)
    with pytest.raises(DataError, match="none of the 1 answers is liked"):
        evaluate(EchoGenerator(), rows[1:2], OPTIONS, set_name="s")


class Longer:
    """A reward model that likes long answers."""

    name = "longer"

    def rewards(self, conversations: Sequence[list[Message]], *, tools: Sequence[str] = ()) -> list[float]:
        return [float(len(turns[-1]["content"])) for turns in conversations]


def test_a_judge_has_pair_accuracy_alone() -> None:
    rows = [Row(messages=(ASKED,), ranked=(said("dłuższa"), said("b")), group=str(number)) for number in range(3)]
    record = evaluate(Longer(), rows, OPTIONS, set_name="s")
    assert {name: result.value for name, result in record.metrics.items()} == {"pair_accuracy": 1.0}
    assert record.items[0].prediction is None
    with pytest.raises(DataError, match="the model scores answers and writes none"):
        evaluate(Longer(), [Row(messages=(ASKED, SAID))], OPTIONS, set_name="s")
