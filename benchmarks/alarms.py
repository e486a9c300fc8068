"""Detection and false-alarm rates of the training alarms, by fault injection and by healthy runs.

    python benchmarks/alarms.py [--data FOLDER] [--seeds 5] [--jobs 2] [--tune] [--out runs.jsonl]

A small base (two layers, trained here on the packaged texts) and `tiny-pl` learn the packaged letters and, with --data,
public sets in Polish and English; every fault has several seeds. Thresholds were chosen on the seeds
of --tune, and the rates are measured on others. A fault counts as found where one of the alarms named for it
is raised, or where the run is refused before its first step. For `forgetting` the truth is measured: the loss on other
texts, which the alarm does not see, surely above the start model's by the margin. Run it on an idle machine: on a busy
one `throughput` is raised because it is true.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any
from unittest.mock import patch

from kamerton.data import Row
from kamerton.ground.errors import KamertonError
from kamerton.ground.rng import shuffled, stream_seed

TUNED_SEEDS, MEASURED_SEEDS = 100, 300
"""First seed of the runs that thresholds were chosen on, and of those that are counted."""
SAMPLES = resources.files("kamerton") / "samples" / "town_hall"
RATES = {"lora": 1e-2, "full": 3e-3}
"""In the good range of the small base: the lowest validation loss of 1e-4 ... 1e-1, within a factor of three."""


OBJECTIVES = {"dpo": 0.3, "orpo": 0.3, "simpo": 0.3, "kto": 0.3, "reward": 0.3, "classification": 0.5, "grpo": 0.3}
"""Shares of that rate at which the other objectives learn."""


@dataclass(frozen=True)
class Case:
    """One training."""

    name: str
    seed: int
    found_by: tuple[str, ...] = ()
    """Alarms of which one is to be raised; empty for a healthy run."""
    corpus: str = "letters.pl"
    base: str = "small"
    method: str = "lora"
    objective: str = "sft"
    rate: float = 1.0
    """Times the usual rate."""
    rows: int = 300
    options: dict[str, Any] = field(default_factory=dict)


# -- data ------------------------------------------------------------------------------------------------------------


def turn(question: str, answer: str) -> Row:
    return Row(messages=({"role": "user", "content": question}, {"role": "assistant", "content": answer}))


def lines(path: Any) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def corpus(name: str, data: Path | None, seed: int) -> list[Row]:
    """All rows of a corpus in an order of the seed."""
    files = {
        "rodo": ("rodo-pl/rodo_qa.jsonl", "instruction", "output"),
        "legal": ("polish-legal-qa/train.jsonl", "instruction", "output"),
        "gsm8k": ("gsm8k/train.jsonl", "question", "answer"),
        "dolly": ("dolly-15k-en/databricks_dolly_15k_rebuilt.jsonl", "instruction", "response"),
    }
    if name.startswith("letters"):
        rows = [turn(row["instruction"], row["output"]) for row in lines(SAMPLES / f"{name}.jsonl")]
    elif name == "sums":
        rows = [turn(f"{a} + {b} = ?", f"{a} + {b} = {a + b}") for a in range(10, 60) for b in range(10, 60, 3)]
    elif name == "prose":
        assert data is not None
        rows = [Row(text=row["text"][:600]) for row in lines(data / "demo-pretrain-mix" / "valid.jsonl")]
    else:
        assert data is not None
        file, question, answer = files[name]
        rows = [turn(row[question], row[answer]) for row in lines(data / file)][:3000]
    order = shuffled([row.row_hash for row in rows], seed, "benchmark")
    return [rows[index] for index in order]


def as_learned_by(objective: str, rows: list[Row]) -> list[Row]:
    """The same rows as an objective learns from them, so that a small base can: worse is to say nothing."""
    evasion = "Nie wiem, proszę zapytać gdzie indziej."
    match objective:
        case "dpo" | "orpo" | "simpo" | "reward":
            worse = turn("", evasion).messages[-1]
            return [Row(messages=row.messages[:1], ranked=(row.messages[-1], worse)) for row in rows]
        case "kto":
            turns = [row if n % 2 else turn(row.question, evasion) for n, row in enumerate(rows)]
            return [Row(messages=row.messages, liked=bool(n % 2)) for n, row in enumerate(turns)]
        case "classification":
            english = corpus("letters.en", None, 1)
            both = zip(rows, english, strict=False)
            asked = [(row, "polski") if n % 2 else (other, "english") for n, (row, other) in enumerate(both)]
            return [turn(row.question, label) for row, label in asked]
    return rows


# -- cases -----------------------------------------------------------------------------------------------------------

TOO_HIGH = ("rate_too_high", "divergence", "non_finite", "spike")
FAULTS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "huge learning rate": (TOO_HIGH, {"rate": 300.0, "method": "full"}),
    "tiny learning rate": (("rate_too_low", "under_fitting"), {"rate": 1 / 300}),
    "frozen adapter": (("frozen", "under_fitting"), {}),
    "shuffled labels": (("answers",), {"rows": 500}),
    "20 rows": (("few_rows",), {"rows": 20}),
    "learned by heart": (
        ("over_fitting",),
        {"rows": 24, "method": "full", "rate": 3.0, "corpus": "sums", "options": {"max_steps": 200}},
    ),
    "wrong template: no end of turn": (("template",), {}),
    "wrong template: not the base's": (("template",), {}),
    "all rows masked": (("masked",), {}),
    "half of the rows masked": (("masked",), {}),
    "duplicated rows": (("duplicates",), {}),
    "nan in a batch": (("non_finite",), {}),
    "exploding gradient": (("spike",), {"options": {"max_steps": 90}}),
    "rate jumps in the middle": (
        ("divergence", "spike", "non_finite"),
        {"method": "full", "options": {"max_steps": 90}},
    ),
    "mixed-up languages": (("languages",), {}),
    "leaking evaluation": (("leak",), {}),
    "dead data loader": (("loader",), {}),
    "answers of noise": (("plateau", "under_fitting", "answers"), {"rows": 500, "options": {"max_steps": 200}}),
    "narrow data at a high rate": (("forgetting",), {"rate": 3.0, "method": "full"}),
    "machine slows down": (("throughput",), {"options": {"max_steps": 90}}),
}


def healthy(first: int, data: Path | None) -> list[Case]:
    """Runs with nothing wrong in them: sizes, methods, objectives, rates in the good range, short and long."""
    cases: list[Case] = []

    def add(name: str, **more: Any) -> None:
        cases.append(Case(f"healthy: {name}", first + len(cases), **more))

    for corpus_name in ("letters.pl", "letters.en", "sums", *(("rodo", "legal", "gsm8k", "dolly") if data else ())):
        for method in ("lora", "full"):
            add(f"{corpus_name} {method}", corpus=corpus_name, method=method)
        add(f"{corpus_name} long", corpus=corpus_name, options={"max_steps": 150})
        add(f"{corpus_name} low rate", corpus=corpus_name, rate=0.4)
        add(f"{corpus_name} short", corpus=corpus_name, rows=200, options={"max_steps": 20})
    for method, rate in (("lora", 0.5), ("lora", 1.0), ("full", 0.5)):
        add(f"tiny-pl {method} x {rate}", base="tiny-pl", method=method, rate=rate, options={"max_steps": 25})
    if data:
        for seed in range(3):
            add(f"prose {seed}", corpus="prose", objective="pretrain", method="full")
            add(f"prose scratch {seed}", corpus="prose", objective="pretrain", method="full", base="scratch")
    for steps in (40, 100, 200):
        add(f"scratch {steps}", base="scratch", method="full", options={"max_steps": steps})
    for kind, share in OBJECTIVES.items():
        for seed in range(3):
            more = {"rewards": ["length:6"], "max_new_tokens": 12} if kind == "grpo" else {}
            add(f"{kind} {seed}", rate=share, objective=kind, options={"objective": {"kind": kind, **more}})
    add("no validation", options={"validation": 0})
    add("linear, sgd-like batches", options={"batch_size": 4, "max_steps": 120, "schedule": "linear"})
    return cases


def faults(first: int, seeds: int) -> list[Case]:
    cases = []
    for name, (found_by, more) in FAULTS.items():
        cases += [Case(name, first + number, found_by, **more) for number in range(seeds)]
    return cases


# -- faults ----------------------------------------------------------------------------------------------------------


def spoil_rows(case: Case, train: list[Row], validation: list[Row], data: Path | None) -> tuple[list[Row], list[Row]]:
    """The faults that stand in the rows."""

    def answered(rows: list[Row], answers: list[str]) -> list[Row]:
        return [turn(row.question, answer) for row, answer in zip(rows, answers, strict=True)]

    match case.name:
        case "shuffled labels":
            order = shuffled([str(number) for number in range(len(train))], case.seed, "lot")
            return answered(train, [train[index].answer for index in order]), validation
        case "answers of noise":
            words = sorted({word for row in train for word in row.answer.split()})
            drawn = [
                " ".join(words[stream_seed(case.seed, row, place) % len(words)] for place in range(12))
                for row in range(len(train) + len(validation))
            ]
            return answered(train, drawn[: len(train)]), answered(validation, drawn[len(train) :])
        case "all rows masked" | "half of the rows masked":
            share = 1 if case.name.startswith("all") else 2
            long = [turn(row.question * 12, row.answer) if n % share == 0 else row for n, row in enumerate(train)]
            return long, validation
        case "duplicated rows":
            return train[: len(train) // 2] * 2, validation
        case "mixed-up languages":
            other = corpus("letters.en", data, case.seed)
            return answered(train, [other[n % len(other)].answer for n in range(len(train))]), validation
        case "leaking evaluation":
            return train + validation[: len(validation) // 2], validation
    return train, validation


@contextmanager
def spoilt(case: Case, loop_module: Any) -> Iterator[None]:
    """The faults that stand in the program."""
    from kamerton.training.network import Network
    from kamerton.training.order import Plan

    with ExitStack() as stack:

        def replace(target: Any, name: str, made: Callable[..., Any]) -> None:
            stack.enter_context(patch.object(target, name, made))

        nll, steps, share = Network.summed_nll, Plan.step, loop_module.rate_share
        now = 0

        def counted(self: Any, step: int) -> Any:
            nonlocal now
            now = step
            return steps(self, min(step, 20) if case.name == "dead data loader" else step)

        def scaled(factor: float, at: int) -> Callable[..., Any]:
            return lambda self, batch: nll(self, batch) * (factor if now == at else 1.0)

        def slower(self: Any, batch: Any) -> Any:
            began = time.monotonic()
            value = nll(self, batch)
            if now > 50:
                time.sleep(12 * (time.monotonic() - began))
            return value

        replace(Plan, "step", counted)
        match case.name:
            case "nan in a batch":
                replace(Network, "summed_nll", scaled(math.nan, 30))
            case "exploding gradient":
                replace(Network, "summed_nll", scaled(1000.0, 80))
            case "machine slows down":
                replace(Network, "summed_nll", slower)
            case "rate jumps in the middle":
                replace(loop_module, "rate_share", lambda step, *more: share(step, *more) * (300 if step > 60 else 1))
        yield


def spoil_model(case: Case, loaded: Any) -> None:
    """The faults that stand in the model or its template."""
    import torch

    if case.name == "frozen adapter":
        for name, weight in loaded.model.named_parameters():
            if "lora_" in name:
                torch.nn.init.zeros_(weight)


TEMPLATE = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


# -- a run -----------------------------------------------------------------------------------------------------------


def options_of(case: Case) -> Any:
    from kamerton.recipe import TrainingSection

    more = {"max_steps": 60, "batch_size": 8} | case.options
    more.pop("validation", None)
    every = max(int(more["max_steps"]) // 5, 5)
    kind = "tiny" if case.base == "tiny-pl" else case.method
    usual = RATES[case.method] if kind != "tiny" else {"lora": 3e-3, "full": 1e-3}[case.method]
    return TrainingSection.model_validate(
        {
            "objective": case.objective,
            "learning_rate": usual * case.rate,
            "evaluate_every": every,
            "checkpoint_every": 1000,
            "max_length": 192,
            "seed": case.seed,
            "compute": {"device": "cpu", "threads": 1, "precision": "fp32", "packing": True},
        }
        | more
    )


def open_model(case: Case, base: Path, rows: list[Row]) -> Any:
    import torch

    from kamerton.models.load import load_base
    from kamerton.models.scratch import create
    from kamerton.recipe import Architecture
    from kamerton.training.objectives import head_labels

    if case.base == "scratch":
        shape = Architecture(hidden_size=64, layers=2, heads=4, feed_forward=128, vocabulary=1024, context=256)
        texts = [row.text or f"{row.question} {row.answer}" for row in rows]
        return create("scratch", shape, texts, seed=case.seed, device=torch.device("cpu"))
    template = "plain" if case.name == "wrong template: not the base's" else "tokenizer"
    labels = head_labels(options_of(case).objective, rows)
    name = "tiny-pl" if case.base == "tiny-pl" else str(base)
    return load_base(name, base.parent, template=template, device="cpu", labels=labels)


def train(case: Case, base: Path, data: Path | None, folder: Path) -> dict[str, Any]:
    """Train a case; what was found, and whether general language was truly lost."""
    import kamerton.training.loop as loop_module
    from kamerton.flows.alarms import general_examples, language_facts
    from kamerton.journal import RunFolder
    from kamerton.models.methods import apply_method
    from kamerton.models.tokenizer import chat_format
    from kamerton.recipe import FullMethod, LoraMethod, Recipe
    from kamerton.training.environment import make_deterministic
    from kamerton.training.monitors import diagnose
    from kamerton.training.monitors.journal import run_records
    from kamerton.training.objectives import build_objective
    from kamerton.training.run import run_training

    options = options_of(case)
    rows = as_learned_by(case.objective, corpus(case.corpus, data, case.seed))
    held = case.options.get("validation", 40)
    learned, validation = spoil_rows(case, rows[held : held + case.rows], rows[:held], data)
    method = LoraMethod(rank=8) if case.method == "lora" else FullMethod(kind="full")
    run = RunFolder.create(folder, {}, "run")
    refused = ""
    began = time.process_time()
    try:
        make_deterministic(case.seed, 1)
        loaded = open_model(case, base, learned)
        if case.name == "wrong template: no end of turn":
            loaded.tokenizer.chat_template = TEMPLATE
            loaded.format = chat_format(loaded.tokenizer, "tokenizer")
        apply_method(loaded, method, seed=case.seed)
        spoil_model(case, loaded)
        objective = build_objective(options, loaded)
        built = objective.examples(learned)
        run.event("examples", masked=len(built.masked), **language_facts(learned, case.seed))
        speaks = not loaded.labels and case.base != "scratch"
        general = general_texts(loaded, data, held_out=False)
        parts = {
            "train": built.examples,
            "validation": objective.examples(validation).examples if validation else [],
            "general": general_examples(general if speaks else [], loaded.format),
        }
        recipe = Recipe.model_construct(name="run", training=options, method=method)
        truth = general_examples(general_texts(loaded, data, held_out=True), loaded.format)
        before = losses(loaded, options, truth) if not loaded.labels else None
        with spoilt(case, loop_module):
            run_training(loaded, objective, parts, recipe, run)
        lost = surely_lost(before, losses(loaded, options, truth)) if before is not None else None
    except KamertonError as error:
        refused, lost = error.what, None
    alarms = diagnose(run_records(run.path))
    return {
        "case": case.name,
        "seed": case.seed,
        "expected": case.found_by,
        "found": {alarm.kind: alarm.step for alarm in alarms},
        "evidence": {alarm.kind: alarm.evidence for alarm in alarms},
        "refused": refused,
        "lost": lost,
        "cpu_s": round(time.process_time() - began, 1),
    }


def general_texts(loaded: Any, data: Path | None, *, held_out: bool) -> list[Row]:
    """24 packaged texts for the alarm; for the truth the 36 others."""
    rows = [Row(text=row["text"]) for row in lines(SAMPLES / "general.jsonl")]
    return [row for number, row in enumerate(rows) if (number % 5 in {0, 2}) != held_out]


def losses(loaded: Any, options: Any, examples: list[Any]) -> Any:
    from kamerton.training.monitors.probes import text_losses
    from kamerton.training.network import Network

    return text_losses(Network(loaded, options.compute), examples)


def surely_lost(before: Any, after: Any, margin: float = 0.1) -> bool | None:
    """Whether general language was lost by more than the margin; None where that is not sure either way."""
    from kamerton.training.monitors.probes import paired

    over = paired(after[0], before[0], before[1])
    if over is None or (over.surely_above <= margin < over.surely_below):
        return None
    return over.surely_above > margin


def make_base(folder: Path, data: Path | None) -> Path:
    """A small base that has read the letters' words, and knows turns."""
    import torch

    from kamerton.journal import RunFolder
    from kamerton.models.methods import apply_method
    from kamerton.models.scratch import create
    from kamerton.recipe import Architecture, FullMethod, Recipe, TrainingSection
    from kamerton.training.environment import make_deterministic
    from kamerton.training.objectives import build_objective
    from kamerton.training.run import run_training

    rows = [Row(text=row["text"]) for row in lines(SAMPLES / "general.jsonl")] * 3
    rows += [Row(text=row["instruction"]) for name in ("pl", "en") for row in lines(SAMPLES / f"letters.{name}.jsonl")]
    if data:
        rows += corpus("prose", data, 1)[:300]
    options = TrainingSection.model_validate(
        {
            "objective": {"kind": "pretrain", "chat_share": 0.3},
            "max_steps": 150,
            "learning_rate": 5e-3,
            "max_length": 192,
            "compute": {"device": "cpu", "threads": 1, "precision": "fp32", "packing": True},
        }
    )
    make_deterministic(1, 1)
    shape = Architecture(hidden_size=64, layers=2, heads=4, feed_forward=128, vocabulary=1024, context=256)
    texts = [row.text or "" for row in rows]
    loaded = create("small", shape, texts, seed=1, device=torch.device("cpu"))
    method = FullMethod(kind="full")
    apply_method(loaded, method, seed=1)
    objective = build_objective(options, loaded)
    run = RunFolder.create(folder, {}, "base")
    recipe = Recipe.model_construct(name="base", training=options, method=method)
    run_training(loaded, objective, {"train": objective.examples(rows).examples, "validation": []}, recipe, run)
    return run.model


# -- the table -------------------------------------------------------------------------------------------------------


def worker(job: tuple[Case, Path, Path | None]) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    case, base, data = job
    with tempfile.TemporaryDirectory() as folder:
        return train(case, base, data, Path(folder))


def rate(hits: int, runs: int) -> str:
    from kamerton.stats import wilson_interval

    interval = wilson_interval(hits / runs, runs) if runs > 1 else None
    bounds = f" [{interval.low:.0%}, {interval.high:.0%}]" if interval else ""
    return f"{hits}/{runs} = {hits / runs:.0%}{bounds}" if runs else "-"


def tables(results: list[dict[str, Any]]) -> None:
    """Faults with what found them; alarms with detection and false alarms."""
    sound = [result for result in results if not result["expected"]]
    print("| fault | found | of it refused before the first step | raised |\n|---|---|---|---|")
    for name in dict.fromkeys(result["case"] for result in results if result["expected"]):
        runs = [result for result in results if result["case"] == name]
        early = [run for run in runs if run["refused"] and not run["found"]]
        hits = [run for run in runs if set(run["expected"]) & set(run["found"]) or run in early]
        raised = sorted({kind for run in runs for kind in run["found"]})
        print(f"| {name} | {rate(len(hits), len(runs))} | {len(early)} | {', '.join(raised)} |")
    kinds = sorted({kind for result in results for kind in [*result["found"], *result["expected"]]} - {"failed"})
    print("\n| alarm | detection | false alarms in healthy runs |\n|---|---|---|")
    for kind in kinds:
        own = [result for result in results if kind in result["expected"]]
        quiet = sound
        if kind == "forgetting":
            own = [result for result in results if result["lost"]]
            quiet = [result for result in results if result["lost"] is False]
        hit = sum(kind in result["found"] or (bool(result["refused"]) and not result["found"]) for result in own)
        print(f"| {kind} | {rate(hit, len(own))} | {rate(sum(kind in r['found'] for r in quiet), len(quiet))} |")
    clean = sum(not (set(result["found"]) - ({"forgetting"} if result["lost"] else set())) for result in sound)
    print(f"\nhealthy runs without any false alarm: {rate(clean, len(sound))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of public sets: rodo-pl, polish-legal-qa, gsm8k, ...")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each fault")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--tune", action="store_true", help="the seeds that thresholds were chosen on")
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--out", type=Path, help="a line of JSON a run")
    asked = parser.parse_args()
    first = TUNED_SEEDS if asked.tune else MEASURED_SEEDS
    cases = [*faults(first, asked.seeds), *healthy(first, asked.data)]
    order = shuffled([f"{case.name} {case.seed}" for case in cases], first, "cases")  # a busy hour strikes all kinds
    cases = [cases[index] for index in order if asked.only in cases[index].name]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        base = make_base(Path(folder), asked.data)
        jobs = [(case, base, asked.data) for case in cases]
        results = []
        with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
            for result in pool.imap(worker, jobs):
                results.append(result)
                if asked.out:
                    with asked.out.open("a", encoding="utf-8") as handle:
                        handle.write(json.dumps(result, ensure_ascii=False) + "\n")
                print(f"{result['case']} {result['seed']}: {result['found']} {result['refused']}", file=sys.stderr)
    tables(results)
    print(f"{len(cases)} runs, {time.monotonic() - began:,.0f} s")


if __name__ == "__main__":
    main()
