"""A model measured on a set, with a fake model whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from kamerton.chat.generation import Generation, Score
from kamerton.chat.messages import Message
from kamerton.data.rows import Row
from kamerton.evaluation import FewShotGenerator, evaluate, worst_items
from kamerton.ground.digests import set_digest
from kamerton.ground.errors import DataError, RequestError, StorageError, VerdictError
from kamerton.recipe import EvaluationSection
from kamerton.records.evaluation import EvaluationRecord
from kamerton.testing import EchoGenerator

OPTIONS = EvaluationSection(
    metrics=["accuracy", "macro_f1", "exact_match", "form", "token_f1", "perplexity"],
    label=r"^(\w+):",
    form=r"\w+: .+",
    resamples=200,
    max_new_tokens=8,
)


def row(question: str, answer: str, group: str = "") -> Row:
    return Row(
        messages=({"role": "user", "content": question}, {"role": "assistant", "content": answer}),
        group=group,
        file="t.jsonl",
        line=3,
    )


ROWS = [
    row(f"{'AB'[i % 2]}: sprawa {i}", f"{'AB'[i % 2]}: sprawa {i}" if i < 30 else f"B: inna {i}") for i in range(40)
]


def test_a_known_model_gets_its_known_figures() -> None:
    record = evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test")
    # 30 of 40 are echoed; of the other 10 references (all B) half are asked with A.
    assert record.metrics["exact_match"].value == 30 / 40
    assert record.metrics["accuracy"].value == 35 / 40
    assert record.metrics["form"].value == 1.0
    f1_a, f1_b = 2 * 15 / (20 + 15), 2 * 20 / (20 + 25)
    assert record.metrics["macro_f1"].value == pytest.approx((f1_a + f1_b) / 2)
    assert record.metrics["token_f1"].value == pytest.approx((30 + 5 * 2 / 3 + 5 * 1 / 3) / 40)
    assert record.metrics["perplexity"].value == pytest.approx(math.e)
    assert list(record.metrics) == list(OPTIONS.metrics)
    for name, metric in record.metrics.items():
        assert metric.n_items == metric.n_clusters == 40
        if name != "perplexity":
            assert metric.low is not None
            assert metric.low <= (metric.value or 0.0) <= (metric.high or 0.0)
    # Every item has the same perplexity: there is no spread to compute an interval from.
    assert record.metrics["perplexity"].low is None


def test_each_item_is_kept() -> None:
    record = evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test", clusters=[i // 2 for i in range(40)])
    item = record.items[30]
    assert (item.prompt, item.prediction, item.reference) == ("A: sprawa 30", "A: sprawa 30", "B: inna 30")
    assert (item.label, item.reference_label, item.cluster) == ("A", "B", 15)
    assert (item.row_hash, item.nll, item.tokens, item.finished) == (ROWS[30].row_hash, 3.0, 3, True)
    assert item.values["exact_match"] == 0.0
    assert item.values["perplexity"] == pytest.approx(math.e)
    assert record.n_clusters == record.metrics["accuracy"].n_clusters == 20
    assert record.set_fingerprint == set_digest(row.row_hash for row in ROWS)
    assert record.shots_used is None


def test_the_record_survives_the_disk(tmp_path: Path) -> None:
    record = evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test")
    record.write(tmp_path / "e.json")
    assert EvaluationRecord.read(tmp_path / "e.json") == record
    (tmp_path / "e.json").write_text('{"kind": "comparison"}', encoding="utf-8")
    with pytest.raises(StorageError, match="EvaluationRecord"):
        EvaluationRecord.read(tmp_path / "e.json")


def test_the_same_call_gives_the_same_record_and_the_seed_moves_intervals_only() -> None:
    first, again = (evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test") for _ in range(2))
    assert first.digest == again.digest
    other = evaluate(EchoGenerator(), ROWS, OPTIONS.model_copy(update={"seed": 7}), set_name="test")
    assert other.options_digest != first.options_digest
    assert other.metrics["token_f1"].value == first.metrics["token_f1"].value
    assert other.metrics["token_f1"].low != first.metrics["token_f1"].low


def test_clean_and_contaminated_items_are_measured_apart(tmp_path: Path) -> None:
    seen = [index < 20 for index in range(40)]
    record = evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test", contaminated=seen)
    assert record.contaminated == 20
    clean, leaked = record.subsets["clean"], record.subsets["contaminated"]
    # The first 30 of 40 are echoed.
    assert (clean["exact_match"].value, leaked["exact_match"].value) == (0.5, 1.0)
    assert (clean["exact_match"].n_items, leaked["exact_match"].n_items) == (20, 20)
    assert list(clean) == list(leaked) == list(record.metrics)
    whole = evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test")
    assert record.metrics == whole.metrics
    assert (whole.contaminated, whole.subsets) == (None, {})
    for same in (True, False):
        alike = evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test", contaminated=[same] * 40)
        assert (alike.contaminated, alike.subsets) == (40 * same, {})
    few = OPTIONS.model_copy(update={"max_items": 25})
    first = evaluate(EchoGenerator(), ROWS, few, set_name="test", contaminated=seen)
    assert (first.contaminated, first.subsets["clean"]["exact_match"].n_items) == (20, 5)
    with pytest.raises(DataError, match="39 verdicts"):
        evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test", contaminated=seen[1:])
    # A record of before is read as one that nobody looked for.
    record.write(tmp_path / "new.json")
    assert EvaluationRecord.read(tmp_path / "new.json") == record
    old = {key: value for key, value in whole.model_dump(mode="json").items() if key not in ("contaminated", "subsets")}
    assert EvaluationRecord.model_validate(old) == whole


def test_answers_that_reach_the_limit_are_counted() -> None:
    long = [row(f"{'raz ' * words}koniec", "A: tak") for words in (8, 2, 3)]
    record = evaluate(EchoGenerator(), long, OPTIONS, set_name="test")
    assert record.cut_off == 1
    assert [item.finished for item in record.items] == [False, True, True]
    assert record.items[0].prediction == "raz raz raz raz raz raz raz raz"


def test_without_given_clusters_equal_items_and_groups_stay_together() -> None:
    rows = [row("a", "A: a"), row("b", "A: b", "7"), row("a", "A: a"), row("c", "A: c", "7"), row("d", "A: d")]
    record = evaluate(EchoGenerator(), rows, OPTIONS, set_name="test")
    assert [item.cluster for item in record.items] == [0, 1, 0, 1, 2]


def test_the_first_items_only_and_how_many_were_left_out() -> None:
    record = evaluate(
        EchoGenerator(),
        ROWS,
        OPTIONS.model_copy(update={"max_items": 10}),
        set_name="test",
        clusters=[0] * 8 + [1] * 32,
    )
    assert (len(record.items), record.left_out, record.n_clusters) == (10, 30, 2)


def test_texts_have_perplexity_only() -> None:
    texts = [Row(text="raz dwa trzy"), Row(text="cztery")]
    nats = {"raz dwa trzy": 1.0, "cztery": 2.0}
    record = evaluate(EchoGenerator(nats_per_token=nats.__getitem__), texts, OPTIONS, set_name="general")
    assert list(record.metrics) == ["perplexity"]
    assert record.metrics["perplexity"].value == pytest.approx(math.exp(5 / 4))
    assert record.items[0].prediction is None
    assert record.items[0].label is None
    with pytest.raises(DataError, match="plain texts"):
        evaluate(EchoGenerator(), texts, EvaluationSection(metrics=["token_f1"]), set_name="general")


def test_texts_and_conversations_together() -> None:
    record = evaluate(EchoGenerator(), [Row(text="raz dwa"), *ROWS[:3]], OPTIONS, set_name="mixed")
    assert record.metrics["exact_match"].n_items == 3
    assert record.metrics["perplexity"].n_items == 4
    assert record.items[0].values["exact_match"] is None
    assert record.items[1].prediction == "A: sprawa 0"


def test_only_what_is_needed_is_asked_of_the_model() -> None:
    class NoScores(EchoGenerator):
        def score(self, conversations: Sequence[list[Message]]) -> list[Score]:
            raise AssertionError("no metric needs scores")

    class NoAnswers(EchoGenerator):
        def generate(self, prompts: Sequence[list[Message]], max_new_tokens: int) -> list[Generation]:
            raise AssertionError("no metric needs answers")

    assert evaluate(NoScores(), ROWS, EvaluationSection(metrics=["exact_match"]), set_name="test").items[0].nll is None
    record = evaluate(NoAnswers(), ROWS, EvaluationSection(metrics=["perplexity"]), set_name="test")
    assert record.items[0].prediction is None
    assert record.cut_off == 0


def test_all_items_go_to_the_model_in_one_call() -> None:
    sizes: list[int] = []

    class Counting(EchoGenerator):
        def generate(self, prompts: Sequence[list[Message]], max_new_tokens: int) -> list[Generation]:
            sizes.append(len(prompts))
            return super().generate(prompts, max_new_tokens)

    evaluate(Counting(), ROWS, OPTIONS.model_copy(update={"batch_size": 4}), set_name="test")
    assert sizes == [40]


def test_progress_names_the_stage() -> None:
    seen: list[tuple[str, int, int]] = []
    evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test", on_progress=lambda *step: seen.append(step))
    assert seen == [("generate", 0, 40), ("generate", 40, 40), ("score", 0, 40), ("score", 40, 40)]


def test_a_few_shot_model_says_how_many_examples_it_used() -> None:
    generator = FewShotGenerator(EchoGenerator(), ROWS[:3], fits=lambda prompt, tools: len(prompt) <= 6)
    assert evaluate(generator, ROWS[3:], OPTIONS, set_name="test").shots_used == 2


def test_references_without_a_label_leave_nothing_to_measure() -> None:
    record = evaluate(EchoGenerator(), [row("a", "bez etykiety"), row("b", "też")], OPTIONS, set_name="test")
    accuracy = record.metrics["accuracy"]
    assert (accuracy.value, accuracy.low, accuracy.n_items) == (None, None, 0)
    assert record.metrics["macro_f1"].value is None


def test_one_item_has_values_and_no_intervals() -> None:
    record = evaluate(EchoGenerator(), ROWS[:1], OPTIONS, set_name="test")
    assert all(metric.value is not None for metric in record.metrics.values())
    assert all(metric.low is None and metric.high is None for metric in record.metrics.values())


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(DataError, match="no items"):
        evaluate(EchoGenerator(), [], OPTIONS, set_name="test")


def test_a_cluster_id_is_needed_for_each_item() -> None:
    with pytest.raises(DataError, match="2 cluster ids for 40 items"):
        evaluate(EchoGenerator(), ROWS, OPTIONS, set_name="test", clusters=[1, 2])


@pytest.mark.parametrize("roles", [["user"], ["assistant"], ["user", "assistant", "user"]])
def test_a_conversation_without_an_answer_is_refused_with_its_place(roles: list[str]) -> None:
    broken = Row(messages=tuple({"role": role, "content": "x"} for role in roles), file="t.jsonl", line=9)  # type: ignore[typeddict-item]
    with pytest.raises(DataError, match="no answer") as caught:
        evaluate(EchoGenerator(), [ROWS[0], broken], OPTIONS, set_name="test")
    assert caught.value.where == "t.jsonl:9"


@pytest.mark.parametrize("nats", [math.nan, math.inf, 1000.0])
def test_a_diverged_model_is_named_and_not_averaged(nats: float) -> None:
    with pytest.raises(VerdictError, match="not finite") as caught:
        evaluate(EchoGenerator(name="tuned", nats_per_token=lambda text: nats), ROWS, OPTIONS, set_name="test")
    assert "tuned" in caught.value.where


@pytest.mark.parametrize("method", ["generate", "score", "score_texts"])
def test_a_generator_that_loses_items_is_caught(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = EchoGenerator()
    whole = getattr(generator, method)
    monkeypatch.setattr(generator, method, lambda *args: whole(*args)[1:])
    with pytest.raises(RequestError, match=rf": {method} gave \d+ results for"):
        evaluate(
            generator,
            [*ROWS[:2], Row(text="raz")] if method != "score_texts" else [Row(text="raz")],
            OPTIONS,
            set_name="test",
        )


def test_the_worst_items_come_first() -> None:
    nats = {row.answer: float(i % 7) for i, row in enumerate(ROWS)}
    record = evaluate(EchoGenerator(nats_per_token=nats.__getitem__), ROWS, OPTIONS, set_name="test")
    assert [item.values["exact_match"] for item in worst_items(record, "exact_match", 11)] == [0.0] * 10 + [1.0]
    assert [item.row_hash for item in worst_items(record, "exact_match", 2)] == [r.row_hash for r in ROWS[30:32]]
    worst = worst_items(record, "perplexity", 3)
    assert [item.values["perplexity"] for item in worst] == [pytest.approx(math.exp(6))] * 3
    with pytest.raises(RequestError, match="was not measured"):
        worst_items(record, "blue", 3)
