"""A candidate against baselines: the figures, the verdicts, and what is refused."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest

from kamerton.chat.messages import Message
from kamerton.data.rows import Row
from kamerton.evaluation import compare, evaluate
from kamerton.ground.errors import DataError
from kamerton.recipe import EvaluationSection
from kamerton.records.comparison import ComparisonRecord, MetricComparison
from kamerton.records.evaluation import EvaluationRecord
from kamerton.stats import mcnemar_exact
from kamerton.testing import EchoGenerator

OPTIONS = EvaluationSection(
    metrics=["accuracy", "macro_f1", "exact_match", "form", "token_f1", "perplexity"],
    label=r"^(\w+):",
    form=r"\w: .+",
    resamples=400,
)
LABELS = "ABCD"
ROWS = [
    Row(
        messages=({"role": "user", "content": str(i)}, {"role": "assistant", "content": f"{LABELS[i % 4]}: sprawa {i}"})
    )
    for i in range(100)
]


def measured(
    name: str,
    right: float,
    *,
    nats: float = 1.0,
    seed: int = 0,
    n: int = 100,
    clusters: list[int] | None = None,
    options: EvaluationSection = OPTIONS,
) -> EvaluationRecord:
    """A model that answers a share of the items rightly, and the others with the next label."""
    rng = np.random.default_rng(seed)
    hits, noise = rng.random(100) < right, rng.normal(0, 0.05, 100)

    def answer(prompt: list[Message]) -> str:
        i = int(prompt[-1]["content"])
        return ROWS[i].answer if hits[i] else f"{LABELS[(i + 1) % 4]}: nie wiem"

    def nats_per_token(text: str) -> float:
        return nats + float(noise[int(text.split()[-1])])

    generator = EchoGenerator(answer, name=name, nats_per_token=nats_per_token)
    return evaluate(generator, ROWS[:n], options, set_name="test", clusters=clusters)


def entry(record: ComparisonRecord, metric: str, baseline: str = "base") -> MetricComparison:
    found = record.entry(metric, baseline)
    assert found is not None
    return found


def known(number: float | None) -> float:
    assert number is not None
    return number


def test_a_better_model_is_better_on_every_metric_but_the_equal_one() -> None:
    tuned, base = measured("tuned", 0.9, nats=0.8, seed=1), measured("base", 0.4, seed=2)
    record = compare(tuned, [base], OPTIONS, 0.05, 0.8)
    verdicts = {e.metric: e.verdict for e in record.entries}
    assert verdicts.pop("form") == "no difference shown"
    assert set(verdicts.values()) == {"better"}
    assert record.n_tests == 6
    assert record.evaluations == {"tuned": tuned.digest, "base": base.digest}
    for e in record.entries:
        assert known(e.low) <= known(e.difference) <= known(e.high)
    worse = compare(base, [tuned], OPTIONS)
    assert {e.verdict for e in worse.entries} == {"worse", "no difference shown"}


def test_shares_of_independent_items_get_mcnemar() -> None:
    tuned, base = measured("tuned", 0.7, seed=1), measured("base", 0.5, seed=2)
    e = entry(compare(tuned, [base], OPTIONS), "exact_match")
    values = [(a.values["exact_match"], b.values["exact_match"]) for a, b in zip(tuned.items, base.items, strict=True)]
    wins, losses = values.count((1.0, 0.0)), values.count((0.0, 1.0))
    assert (e.wins, e.losses, e.ties) == (wins, losses, 100 - wins - losses)
    assert (e.test, e.method) == ("mcnemar_exact", "newcombe")
    assert e.p_value == mcnemar_exact(wins, losses)
    assert known(e.difference) == pytest.approx((wins - losses) / 100)
    # Miller 2024: the standard error of a paired difference of shares.
    error = math.sqrt(((wins + losses) / 100 - known(e.difference) ** 2) / 99)
    assert e.gain_standard_error == pytest.approx(error)
    assert e.minimum_detectable_effect == pytest.approx(2.8016 * error, rel=1e-4)


def test_shares_of_clustered_items_get_the_permutation_of_clusters() -> None:
    clusters = [i // 5 for i in range(100)]
    tuned, base = (measured(name, share, seed=3, clusters=clusters) for name, share in (("tuned", 0.8), ("base", 0.5)))
    e = entry(compare(tuned, [base], OPTIONS), "exact_match")
    assert (e.test, e.method, e.n_items, e.n_clusters) == ("paired_permutation", "bca", 100, 20)


def test_copies_of_items_in_one_cluster_add_no_certainty() -> None:
    options = EvaluationSection(metrics=["token_f1"], resamples=400)

    def copied(times: int) -> MetricComparison:
        records = []
        for name, right in (("tuned", 0.9), ("base", 0.5)):
            once = measured(name, right, n=30, seed=3, options=options)
            items = [item.model_copy(update={"cluster": i}) for i, item in enumerate(once.items) for _ in range(times)]
            records.append(once.model_copy(update={"items": items}))
        return entry(compare(records[0], records[1:], options), "token_f1")

    single, fourfold = copied(1), copied(4)
    assert (single.n_items, fourfold.n_items, fourfold.n_clusters) == (30, 120, 30)
    assert known(single.p_value) < 0.01
    assert fourfold.p_value == single.p_value
    assert fourfold.gain_standard_error == pytest.approx(single.gain_standard_error)
    assert (fourfold.low, fourfold.high) == pytest.approx((single.low, single.high))


def test_perplexity_is_compared_as_a_ratio() -> None:
    tuned, base = measured("tuned", 1.0, nats=0.9, seed=1), measured("base", 1.0, nats=1.0, seed=2)
    e = entry(compare(tuned, [base], OPTIONS), "perplexity")
    assert e.scale == "relative"
    assert e.difference == pytest.approx(known(e.candidate_value) / known(e.baseline_value) - 1)
    assert e.difference == pytest.approx(math.exp(-0.1) - 1, abs=0.02)
    assert e.gain == pytest.approx(-math.log1p(known(e.difference)))
    assert known(e.low) < known(e.difference) < known(e.high) < 0
    assert e.margin_as_gain(0.02) == pytest.approx(math.log(1.02))
    assert entry(compare(tuned, [base], OPTIONS), "form").margin_as_gain(0.02) == 0.02


def test_perplexities_over_other_tokens_are_not_compared() -> None:
    tuned, base = measured("tuned", 1.0), measured("base", 1.0)
    items = [base.items[0].model_copy(update={"tokens": 9}), *base.items[1:]]
    record = compare(tuned, [base.model_copy(update={"items": items})], OPTIONS)
    e = entry(record, "perplexity")
    assert (e.verdict, e.p_value, e.difference, e.low) == ("not comparable", None, None, None)
    assert record.n_tests == 5


def test_holm_runs_over_all_metrics_and_baselines() -> None:
    tuned = measured("tuned", 0.65, seed=1)
    others = [measured("base", 0.5, seed=2), measured("few_shot", 0.45, seed=3)]
    both, one = compare(tuned, others, OPTIONS), compare(tuned, others[:1], OPTIONS)
    assert (both.n_tests, one.n_tests) == (12, 6)
    ranked = sorted((known(e.p_value), known(e.p_adjusted)) for e in both.entries)
    assert ranked[0][1] == pytest.approx(min(1.0, 12 * ranked[0][0]))
    for e in one.entries:
        assert known(entry(both, e.metric).p_adjusted) >= known(e.p_adjusted) >= known(e.p_value)
        assert entry(both, e.metric).p_value == e.p_value


def test_the_corrected_p_decides() -> None:
    """A difference that one test would call significant and twelve tests do not."""
    tuned = measured("tuned", 0.62, seed=0)
    others = [measured("base", 0.45, seed=100), measured("few_shot", 0.6, seed=200)]
    e = entry(compare(tuned, others, OPTIONS), "exact_match")
    assert known(e.p_value) <= 0.05 < known(e.p_adjusted)
    assert e.verdict == "no difference shown"


def test_equal_models_show_no_difference_and_no_detectable_effect() -> None:
    twin = measured("base", 0.6).model_copy(update={"model": "twin"})
    for e in compare(twin, [measured("base", 0.6)], OPTIONS).entries:
        assert (e.difference, e.p_value, e.verdict) == (0.0, 1.0, "no difference shown")
        assert (e.ties, e.minimum_detectable_effect) == (100, None)
        # What was not seen may differ: the interval has a width, or there is none.
        assert e.low is None or e.low < 0.0 < (e.high or 0.0)


def test_no_item_differently_answered_is_not_certainty() -> None:
    tuned, base = measured("tuned", 1.0, nats=0.5), measured("base", 0.0)
    e = entry(compare(tuned, [base], OPTIONS), "exact_match")
    assert (e.difference, e.verdict) == (1.0, "better")
    assert 0.9 < known(e.low) < 1.0


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_a_sample_that_could_not_have_won_is_too_small(n: int) -> None:
    tuned, base = measured("tuned", 1.0, nats=0.5, n=n), measured("base", 0.0, n=n)
    assert {e.verdict for e in compare(tuned, [base], OPTIONS).entries} == {"too few items"}


def test_a_sample_that_could_just_win_does() -> None:
    # 6 * 2/2^8 = 0.047 is what Holm makes of the smallest p of 8 items in 6 tests.
    tuned, base = measured("tuned", 1.0, nats=0.5, n=8), measured("base", 0.0, n=8)
    assert entry(compare(tuned, [base], OPTIONS), "exact_match").verdict == "better"


def test_one_cluster_is_too_few_items() -> None:
    tuned, base = (measured(name, share, clusters=[0] * 100) for name, share in (("tuned", 1.0), ("base", 0.0)))
    for e in compare(tuned, [base], OPTIONS).entries:
        assert (e.verdict, e.p_value, e.low, e.minimum_detectable_effect) == ("too few items", None, None, None)
        assert e.difference is not None


def test_the_order_of_items_does_not_matter() -> None:
    tuned, base = measured("tuned", 0.8, seed=1), measured("base", 0.5, seed=2)
    turned = base.model_copy(update={"items": base.items[::-1]})
    straight = compare(tuned, [base], OPTIONS)
    assert compare(tuned, [turned], OPTIONS).entries == straight.entries


def test_the_record_survives_the_disk(tmp_path: Path) -> None:
    record = compare(measured("tuned", 0.8, seed=1), [measured("base", 0.5, seed=2)], OPTIONS)
    record.write(tmp_path / "c.json")
    assert ComparisonRecord.read(tmp_path / "c.json") == record
    assert record.entry("accuracy", "nobody") is None


def test_other_items_are_refused() -> None:
    with pytest.raises(DataError, match="100 and 99, 1 only in the first, 0 only in the second"):
        compare(measured("tuned", 0.8), [measured("base", 0.5, n=99)], OPTIONS)


@pytest.mark.parametrize(("key", "value"), [("label", r"(\w)"), ("form", ".*"), ("max_new_tokens", 7)])
def test_another_way_of_measuring_is_refused(key: str, value: object) -> None:
    other = measured("base", 0.5, options=OPTIONS.model_copy(update={key: value}))
    with pytest.raises(DataError, match=f"evaluation.{key} differs"):
        compare(measured("tuned", 0.8), [other], OPTIONS)


def test_a_baseline_without_the_metric_is_refused() -> None:
    less = measured("base", 0.5, options=OPTIONS.model_copy(update={"metrics": ["accuracy", "macro_f1"]}))
    with pytest.raises(DataError, match="base lacks exact_match, form, token_f1, perplexity"):
        compare(measured("tuned", 0.8), [less], OPTIONS)


def test_other_clusters_are_refused_and_other_ids_are_not() -> None:
    pairs, renamed, alone = [i // 2 for i in range(100)], [70 - i // 2 for i in range(100)], list(range(100))
    tuned = measured("tuned", 0.8, clusters=pairs)
    compare(tuned, [measured("base", 0.5, clusters=renamed)], OPTIONS)
    with pytest.raises(DataError, match="clustered in another way"):
        compare(tuned, [measured("base", 0.5, clusters=alone)], OPTIONS)


def test_names_must_differ_and_something_must_be_there() -> None:
    tuned = measured("tuned", 0.8)
    with pytest.raises(DataError, match="named 'tuned'"):
        compare(tuned, [measured("tuned", 0.5)], OPTIONS)
    with pytest.raises(DataError, match="nothing to compare"):
        compare(tuned, [], OPTIONS)


def test_no_false_alarms_beyond_alpha_under_no_difference() -> None:
    """Six metrics, two baselines, no difference: at least one alarm in at most about 5 % of the comparisons."""
    options = EvaluationSection(metrics=["exact_match", "token_f1", "perplexity"], resamples=200)
    alarms = 0
    for seed in range(40):
        records = [
            measured(name, 0.5, seed=1000 * seed + k, n=40, options=options)
            for k, name in enumerate(("tuned", "base", "few_shot"))
        ]
        alarms += any(e.verdict in {"better", "worse"} for e in compare(records[0], records[1:], options).entries)
    # P(more than 6 of 40 at 5 %) is below 0.4 %.
    assert alarms <= 6


def test_three_models_and_six_metrics_are_compared_in_well_under_two_seconds() -> None:
    options = OPTIONS.model_copy(update={"resamples": 2000})
    compare(measured("tuned", 0.8, n=20), [measured("base", 0.5, n=20)], options)  # imports are not counted
    begin = time.process_time()
    records = [measured(name, 0.6, seed=k, options=options) for k, name in enumerate(("tuned", "base", "few_shot"))]
    compare(records[0], records[1:], options)
    assert time.process_time() - begin < 2.0
