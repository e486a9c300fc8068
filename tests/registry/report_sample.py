"""A realistic set of records for the report's tests; every letter, number and name in it is invented."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from kamerton.ground.digests import digest
from kamerton.ground.rng import draw
from kamerton.journal import TraceStep
from kamerton.recipe import Recipe
from kamerton.records import (
    BaseLineage,
    CodeLineage,
    DataLineage,
    Environment,
    PartLineage,
    RunRecord,
    RunResult,
)
from kamerton.records.comparison import ComparisonRecord, MetricComparison
from kamerton.records.data import AnswerLengths, DataReport, DuplicateClusters, Finding, SourceReport
from kamerton.records.decision import Decision, Outcome, Reason
from kamerton.records.evaluation import EvaluationRecord, ItemResult, MetricResult
from kamerton.records.rebuild import RebuildRecord
from kamerton.registry.report import ReportInputs

RUN_ID = "urzad-20261122-061204-7c1e"
DEPARTMENTS = (
    "Odpady",
    "Drogi",
    "Dowody i meldunek",
    "Stan cywilny",
    "Podatki",
    "Budownictwo",
    "Środowisko",
    "Pomoc społeczna",
)
LETTERS = (
    "Dzień dobry, od tygodnia nikt nie odebrał worków z liśćmi sprzed bramy. Zaczynają pękać. Kiedy przyjedzie wóz?",
    "Na rogu naszej ulicy zapadła się studzienka, wczoraj wpadł tam rowerzysta. prosze to zabezpieczyc!!",
    "Wyprowadzam się w maju do córki i nie wiem, czy muszę się wymeldować osobiście, czy da się to zrobić z domu?",
    "Potrzebuję odpisu aktu małżeństwa dziadków do sprawy spadkowej. Brali ślub w waszym mieście zaraz po wojnie.",
    "Sprzedałem garaż w lutym, a przyszła decyzja podatkowa na cały rok. To jakaś pomyłka, nie zapłacę.",
    "Chcę postawić altanę przy granicy działki, ok. 30 m2. Czy wystarczy samo zgłoszenie?",
    "Sąsiad co wieczór pali w piecu czymś, od czego szczypią oczy. Czy ktoś może sprawdzić, co on tam wrzuca?",
    "Mama ma 84 lata i po szpitalu nie radzi sobie sama. Pracuję na zmiany. Czy gmina może przysłać opiekunkę?",
)
ANSWERS = (
    ("Odpady", "nieodebrane odpady zielone", "ustawa o utrzymaniu czystości i porządku w gminach", "3 dni"),
    ("Drogi", "uszkodzona studzienka", "art. 20 ustawy o drogach publicznych", "niezwłocznie"),
    ("Dowody i meldunek", "wymeldowanie", "ustawa o ewidencji ludności", "w dniu opuszczenia miejsca pobytu"),
    ("Stan cywilny", "odpis aktu małżeństwa", "Prawo o aktach stanu cywilnego", "7 dni"),
    ("Podatki", "zmiana w podatku od nieruchomości", "ustawa o podatkach i opłatach lokalnych", "14 dni"),
    ("Budownictwo", "zgłoszenie budowy altany", "Prawo budowlane", "21 dni"),
    ("Środowisko", "spalanie odpadów w piecu", "Prawo ochrony środowiska", "7 dni"),
    ("Pomoc społeczna", "usługi opiekuńcze", "ustawa o pomocy społecznej", "30 dni"),
)
SKILL = {"own": (0.93, 0.93, 0.88), "base": (0.13, 0.02, 0.22), "few_shot": (0.34, 0.55, 0.47)}
"""Chance of the right department, chance of the right form, token-F1 of a wrong answer."""


def answer(department: int, lines: int = 5) -> str:
    """The clerk's answer in its fixed form."""
    name, matter, basis, term = ANSWERS[department]
    return "\n".join(
        [
            f"Wydział: {name}",
            f"Sprawa: {matter}",
            f"Podstawa prawna: {basis}",
            f"Termin: {term}",
            "Dalszy krok: Proszę czekać na odpowiedź urzędu.",
        ][:lines]
    )


def item(model: str, index: int) -> ItemResult:
    """One answer of one model."""
    right, form, f1 = SKILL[model]
    kind = index % 8
    good = draw("right", model, index) < right
    formed = draw("form", model, index) < form
    told = kind if good else (kind + 1 + int(7 * draw("other", model, index))) % 8
    exact = good and formed and draw("exact", model, index) < 0.7
    prediction = answer(kind) if exact else answer(told, 5 if formed else 3)
    return ItemResult(
        row_hash=digest(f"letter {index}"),
        cluster=index // 2 if index < 24 else index,
        category=DEPARTMENTS[kind],
        prompt=f"{LETTERS[kind]} Pozdrawiam, mieszkaniec nr {index + 1}",
        reference=answer(kind),
        prediction=prediction,
        finished=formed or good,
        label=DEPARTMENTS[told],
        reference_label=DEPARTMENTS[kind],
        nll=44.0 * (1.0 + 0.3 * draw("nll", model, index)) * {"own": 0.28, "base": 1.4, "few_shot": 0.9}[model],
        tokens=40 + index % 9,
        values={
            "accuracy": float(good),
            "macro_f1": float(good),
            "exact_match": float(exact),
            "form": float(formed),
            "token_f1": 1.0 if exact else f1 * (0.6 + 0.4 * draw("f1", model, index)),
            "perplexity": math.exp(1 + draw("ppl", model, index)),
        },
    )


def measured(name: str, items: list[ItemResult]) -> MetricResult:
    """A metric with an interval of a plausible width."""
    values = [each.values[name] or 0.0 for each in items]
    value, spread = sum(values) / len(values), 0.055 + 0.03 * draw("spread", name)
    if name == "perplexity":
        value = math.exp(sum(each.nll or 0.0 for each in items) / sum(each.tokens or 0 for each in items))
        return MetricResult(
            better="lower",
            value=value,
            low=value * 0.93,
            high=value * 1.08,
            method="bca",
            n_items=len(items),
            n_clusters=len(items) - 12,
        )
    return MetricResult(
        better="higher",
        value=value,
        low=max(0.0, value - spread),
        high=min(1.0, value + 0.9 * spread),
        method="wilson" if name in ("accuracy", "form", "exact_match") else "bca",
        n_items=len(items),
        n_clusters=len(items) - 12,
    )


def evaluation(model: str, count: int = 112) -> EvaluationRecord:
    """A model on the test letters."""
    items = [item(model, index) for index in range(count)]
    return EvaluationRecord(
        model="urzad" if model == "own" else model,
        set_name="test",
        set_fingerprint=digest("test set"),
        options_digest=digest("options"),
        label=r"^Wydział: (.+)$",
        form=r"(?s)Wydział: .+",
        max_new_tokens=96,
        confidence=0.95,
        resamples=2000,
        seed=42,
        shots_used=3 if model == "few_shot" else None,
        left_out=0,
        cut_off=sum(not each.finished for each in items),
        n_clusters=count - 12,
        metrics={name: measured(name, items) for name in items[0].values},
        items=items,
    )


def general(model: str) -> EvaluationRecord:
    """A model on general prose: perplexity alone."""
    value = {"urzad": 21.83, "base": 21.37}[model]
    return EvaluationRecord(
        model=model,
        set_name="general",
        set_fingerprint=digest("general set"),
        options_digest=digest("options"),
        label=None,
        form=None,
        max_new_tokens=96,
        confidence=0.95,
        resamples=2000,
        seed=42,
        left_out=0,
        cut_off=0,
        n_clusters=60,
        metrics={
            "perplexity": MetricResult(
                better="lower",
                value=value,
                low=value * 0.88,
                high=value * 1.14,
                method="bca",
                n_items=60,
                n_clusters=60,
            )
        },
        items=[
            ItemResult(
                row_hash=digest(f"tale {index}"),
                cluster=index,
                category="",
                prompt="",
                reference="Za lasem stał młyn, a we młynie mieszkał kot.",
                prediction=None,
                finished=None,
                label=None,
                reference_label=None,
                nll=60.0,
                tokens=20,
                values={"perplexity": value},
            )
            for index in range(60)
        ],
    )


def entry(ours: MetricResult, theirs: MetricResult, metric: str, baseline: str, **changes: Any) -> MetricComparison:
    """One comparison with numbers that fit together."""
    relative = metric == "perplexity"
    assert ours.value is not None
    assert theirs.value is not None
    change = ours.value / theirs.value - 1 if relative else ours.value - theirs.value
    gain = -math.log1p(change) if relative else change
    better = gain > 0.1
    fields: dict[str, Any] = {
        "metric": metric,
        "baseline": baseline,
        "better": "lower" if relative else "higher",
        "scale": "relative" if relative else "absolute",
        "candidate_value": ours.value,
        "baseline_value": theirs.value,
        "difference": change,
        "low": change - 0.04 if relative else max(-1.0, change - 0.09),
        "high": change + 0.05 if relative else min(1.0, change + 0.045),
        "method": "newcombe" if metric in ("accuracy", "form", "exact_match") else "bca",
        "gain": gain,
        "gain_standard_error": 0.041,
        "test": "mcnemar_exact" if metric == "form" else "paired_permutation",
        "p_value": 0.0001 if better else 0.21,
        "p_adjusted": 0.0006 if better else 0.42,
        "minimum_detectable_effect": 0.115,
        "wins": round(ours.n_items * max(gain, 0.1)) if not relative else ours.n_items - 4,
        "losses": 3 if not relative else 4,
        "ties": 0,
        "n_items": ours.n_items,
        "n_clusters": ours.n_clusters,
        "verdict": "better" if better else "no difference shown",
    } | changes
    fields["ties"] = max(0, fields["n_items"] - fields["wins"] - fields["losses"])
    return MetricComparison(**fields)


def comparison(set_name: str, records: list[EvaluationRecord], entries: list[MetricComparison]) -> ComparisonRecord:
    """The candidate (first) against the others."""
    return ComparisonRecord(
        candidate=records[0].model,
        baselines=[record.model for record in records[1:]],
        evaluations={record.model: record.digest for record in records},
        set_name=set_name,
        set_fingerprint=records[0].set_fingerprint,
        alpha=0.05,
        power=0.8,
        confidence=0.95,
        resamples=2000,
        seed=42,
        n_tests=len(entries),
        entries=entries,
    )


def comparisons(test: list[EvaluationRecord], prose: list[EvaluationRecord]) -> list[ComparisonRecord]:
    """On the test letters and on general prose."""
    own = test[0]
    entries = [
        entry(own.metrics[metric], record.metrics[metric], metric, record.model)
        for record in test[1:]
        for metric in own.metrics
    ]
    ours, theirs = (record.metrics["perplexity"] for record in prose)
    held = entry(
        ours, theirs, "perplexity", "base", low=-0.006, high=0.041, minimum_detectable_effect=0.018, losses=41, wins=19
    )
    return [comparison("test", test, entries), comparison("general", prose, [held])]


def reason(record: ComparisonRecord, metric: str, baseline: str, outcome: Outcome, limit: float) -> Reason:
    """A rule of the gate with the numbers of its comparison."""
    found = record.entry(metric, baseline)
    assert found is not None
    return Reason(
        rule="primary" if record.set_name == "test" else "guard",
        metric=metric,
        set_name=record.set_name,
        baseline=baseline,
        passed=outcome in ("better", "within the margin"),
        outcome=outcome,
        text=f"{metric} on {record.set_name}, against {baseline}: {outcome}.",
        numbers={
            "candidate": found.candidate_value,
            "baseline": found.baseline_value,
            "difference": found.difference,
            "low": found.low,
            "high": found.high,
            "p_adjusted": found.p_adjusted,
            "minimum_detectable_effect": found.minimum_detectable_effect,
            "n_items": found.n_items,
            "n_clusters": found.n_clusters,
            "limit": limit,
        },
    )


def decision(records: list[ComparisonRecord], *, passed: bool = True) -> Decision:
    """A gate with two primary rules and a guard."""
    test, prose = records
    reasons = [
        reason(test, "accuracy", "base", "better", 0.05),
        reason(test, "accuracy", "few_shot", "better", 0.05),
        reason(prose, "perplexity", "base", "within the margin" if passed else "beyond the margin", 0.05),
    ]
    return Decision(
        verdict="pass" if passed else "fail",
        model_sha256=digest("weights"),
        reasons=reasons,
        policy=recipe()["gate"],
        comparisons={record.set_name: record.digest for record in records},
    )


def recipe() -> dict[str, Any]:
    """The resolved recipe."""
    return Recipe.model_validate(
        {
            "name": "urzad",
            "model": {"base": "tiny-pl"},
            "data": {"train": ["letters.pl.jsonl", "letters.en.jsonl"]},
            "method": {"kind": "lora", "rank": 16, "alpha": 32},
            "training": {"epochs": 6, "learning_rate": 1e-3, "compute": {"threads": 2}},
            "evaluation": {
                "metrics": ["accuracy", "macro_f1", "exact_match", "form", "token_f1", "perplexity"],
                "label": r"^Wydział: (.+)$",
                "form": r"(?s)Wydział: .+",
                "max_new_tokens": 96,
                "sets": {"general": ["general.jsonl"]},
            },
            "gate": {
                "primary": {"metric": "accuracy", "better_than": ["base", "few_shot"]},
                "guards": [{"metric": "perplexity", "on": "general", "margin": 0.05}],
            },
        }
    ).model_dump(mode="json")


def trace(steps: int = 252) -> list[TraceStep]:
    """A loss that falls as losses fall."""
    found = []
    for step in range(1, steps + 1):
        share = step / steps
        loss = 0.42 + 3.1 * math.exp(-5.2 * share) + 0.5 * (draw("loss", step) - 0.5) * (1.4 - share)
        rate = 1e-3 * (step / 13 if step <= 13 else 0.5 * (1 + math.cos(math.pi * (step - 13) / (steps - 13))))
        norm = 0.5 + 2.2 * math.exp(-6 * share) + 0.5 * draw("norm", step)
        found.append(
            TraceStep(
                step=step,
                loss=loss,
                grad_norm=norm,
                learning_rate=rate,
                tokens=380 + step % 40,
                batch=digest(f"batch {step}"),
                state="",
                skipped=False,
                previous=digest(f"step {step - 1}"),
                hash=digest(f"step {step}"),
            )
        )
    return found


def events(steps: int = 252) -> list[dict[str, Any]]:
    """What the journal says of the run."""
    found: list[dict[str, Any]] = [{"kind": "started", "steps": steps}]
    for step in range(1, steps + 1):
        found.append({"kind": "step", "step": step, "tokens_per_second": 3900 + 500 * draw("speed", step)})
        if step % 42 == 0:
            share = step / steps
            found.append(
                {"kind": "evaluated", "step": step, "loss": 0.63 + 2.6 * math.exp(-5.0 * share) + 0.06 * share**3}
            )
    return [*found, {"kind": "finished"}]


def data() -> DataReport:
    """The check of the letters."""
    counts = {"train": 51, "validation": 7, "test": 14}
    files = {"letters.pl.jsonl": 448, "letters.en.jsonl": 128}
    findings = [
        Finding(
            file="letters.pl.jsonl",
            line=37 * number,
            kind="exact_duplicate",
            message=f"equal to line {11 * number}; the first is kept",
            severity="warning",
        )
        for number in range(1, 9)
    ]
    findings.append(
        Finding(
            file="letters.en.jsonl",
            line=88,
            kind="control_character",
            message="U+0007 at character 14",
            severity="warning",
        )
    )
    return DataReport(
        sources=[
            SourceReport(
                file=file,
                rows_read=rows,
                rows_ok=rows,
                shape="alpaca",
                shape_reason="columns instruction and output",
                encoding="utf-8",
                sha256=digest(file),
            )
            for file, rows in files.items()
        ],
        rows_read=584,
        rows_ok=584,
        rows_used=576,
        findings=findings,
        duplicate_clusters=DuplicateClusters(exact=8, exact_rows=16, near=56, near_rows=121),
        splits={part: 8 * rows for part, rows in counts.items()},
        categories={
            part: {name: rows + (index % 3 - 1) for index, name in enumerate(DEPARTMENTS)}
            for part, rows in counts.items()
        },
        answer_chars=AnswerLengths(min=151, median=186, p95=228, max=260),
        fingerprint=digest("rows"),
        passed=True,
        reasons=[],
    )


def run() -> RunRecord:
    """A complete run."""
    last = trace()[-1]
    asked = recipe()
    return RunRecord(
        run_id=RUN_ID,
        name="urzad",
        recipe=asked,
        recipe_digest=digest(asked),
        data=DataLineage(
            versions={"train": "urzad@v1"},
            fingerprint=digest("rows"),
            sources={name: digest(name) for name in ("letters.pl.jsonl", "letters.en.jsonl")},
            parts={
                part: PartLineage(rows=rows, fingerprint=digest(part))
                for part, rows in {"train": 408, "validation": 56, "test": 112}.items()
            },
        ),
        base=BaseLineage(
            name="tiny-pl",
            weights={"model.safetensors": digest("base weights")},
            tokenizer=digest("tokenizer"),
            template=digest("template"),
            parameters=3_838_464,
            trainable=196_608,
        ),
        code=CodeLineage(version="0.1.0", revision=digest("revision")[:40]),
        environment=Environment(
            python="3.11.2",
            platform="Linux-6.1.0-x86_64-with-glibc2.36",
            device="cpu",
            cpu="AMD EPYC 9B14",
            instruction_sets=["avx", "avx2", "avx512f", "avx512_bf16", "fma"],
            capability="AVX512",
            threads=2,
            settings={"MKL_CBWR": "AUTO,STRICT", "OMP_DYNAMIC": "FALSE", "OMP_WAIT_POLICY": "PASSIVE"},
            packages={"numpy": "2.4.6", "peft": "0.21.0", "torch": "2.13.0", "transformers": "5.23.0"},
        ),
        result=RunResult(
            steps=252,
            tokens=100_764,
            files={"adapter_model.safetensors": digest("weights"), "adapter_config.json": digest("configuration")},
            model_sha256=digest("weights"),
            trace_head=last.hash,
            first_loss=3.47,
            last_loss=0.431,
            seconds=97.4,
            attempts=1,
        ),
        finished="2026-11-22T06:13:42.120+00:00",
    )


def rebuild(**changes: Any) -> RebuildRecord:
    """A rebuild that gave the same bytes."""
    fields: dict[str, Any] = {
        "run_id": RUN_ID,
        "recorded_sha256": digest("weights"),
        "rebuilt_sha256": digest("weights"),
        "identical": True,
        "machine_class_equal": True,
        "class_differences": [],
        "first_different_step": None,
        "different_fields": [],
        "what_changed": [],
        "seconds": 99.1,
        "finished": "2026-11-22T06:16:03.870+00:00",
    }
    return RebuildRecord(**fields | changes)


def sample(*, passed: bool = True) -> ReportInputs:
    """Everything that a report can show."""
    test = [evaluation(model) for model in ("own", "base", "few_shot")]
    prose = [general("urzad"), general("base")]
    compared = comparisons(test, prose)
    return ReportInputs(
        run=run(),
        trace=trace(),
        events=events(),
        data=data(),
        evaluations=[*test, *prose],
        comparisons=compared,
        decision=decision(compared, passed=passed),
        rebuild=rebuild(),
    )


def bare() -> ReportInputs:
    """A run alone."""
    return ReportInputs(run=run())


def with_first_item(inputs: ReportInputs, **changes: Any) -> ReportInputs:
    """The candidate's first item changed, and the comparisons left out, since they are of other evaluations."""
    own, *others = inputs.evaluations
    first = own.items[0].model_copy(update=changes)
    changed = own.model_copy(update={"items": [first, *own.items[1:]]})
    return replace(inputs, evaluations=[changed, *others], comparisons=[], decision=None)
