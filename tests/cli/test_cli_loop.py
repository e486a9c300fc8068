"""The whole loop by its commands, once; what each step prints, and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kamerton.ground.digests import file_digest
from tiny_project import STEPS, Finished, kamerton


@pytest.mark.parametrize("step", STEPS)
def test_each_step_prints_one_document_and_ends_well(step: str, finished: Finished) -> None:
    answer = finished.answers[step]
    assert answer.code == (1 if step == "early" else 0), answer.err
    assert answer.document is not None
    assert answer.err


def test_check_says_what_was_checked(finished: Finished) -> None:
    document = finished.answers["check"].document
    assert document["passed"]
    names = [item["name"] for item in document["items"]]
    assert {"recipe", "rows", "readable", "test_power", "leaks", "privacy", "truncated", "data"} < set(names)
    assert names[-6:] == ["prompts", "weights", "memory", "time", "disk", "machine class"]
    assert document["forecast"]["steps"] == 20
    assert document["data"]["rows_ok"] == 72
    assert {value["origin"] for value in document["values"]} == {"file", "default", "derived"}


def test_train_gives_the_record(finished: Finished) -> None:
    document = finished.answers["train"].document
    assert document == json.loads((finished.run / "record.json").read_text(encoding="utf-8"))
    assert document["result"]["steps"] == 20
    assert document["result"]["last_loss"] < document["result"]["first_loss"]
    assert document["result"]["model_sha256"] == file_digest(finished.run / "model" / "adapter_model.safetensors")
    told = finished.answers["train"].err
    assert f"model sha256 {document['result']['model_sha256']}\n" in told
    assert f"next: kamerton evaluate {finished.run_id} --on test\n" in told


def test_a_version_without_evidence_is_not_promoted(finished: Finished) -> None:
    document = finished.answers["early"].document
    assert document["error"] == "VerdictError"
    assert "evidence: decision.json is missing" in document["what"]
    assert finished.answers["early"].err.startswith("no: ")


def test_evaluate_measures_every_model_on_every_set(finished: Finished) -> None:
    records = finished.answers["evaluate"].document
    assert [(record["set_name"], record["model"]) for record in records] == [
        ("test", "tuned"),
        ("general", "tuned"),
        ("test", "base"),
        ("general", "base"),
        ("test", "few_shot"),
    ]
    perplexity = records[0]["metrics"]["perplexity"]
    assert perplexity["low"] < perplexity["value"] < perplexity["high"]
    assert {record["set_fingerprint"] for record in records if record["set_name"] == "test"}.__len__() == 1
    assert "tuned on test: 24 answers reached max_new_tokens" in finished.answers["evaluate"].err


def test_compare_gives_a_record_a_set(finished: Finished) -> None:
    test, general = finished.answers["compare"].document
    assert (test["set_name"], general["set_name"]) == ("test", "general")
    assert test["baselines"] == ["base", "few_shot"]
    assert {entry["verdict"] for entry in test["entries"] if entry["metric"] == "perplexity"} == {"better"}


def test_add_and_promote_move_the_aliases(finished: Finished) -> None:
    added, moved = finished.answers["add"].document, finished.answers["promote"].document
    assert (added["name"], added["version"], added["aliases"]) == ("tiny", 1, ["candidate"])
    assert (moved["alias"], moved["before"], moved["after"], moved["reason"]) == ("staging", None, 1, "a test")
    assert moved["gate"]["verdict"] == "pass"


def test_rebuild_proves_the_bytes(finished: Finished) -> None:
    document = finished.answers["rebuild"].document
    assert document["identical"]
    assert document["rebuilt_sha256"] == finished.answers["train"].document["result"]["model_sha256"]
    assert list((finished.workspace.home / "rebuilds").iterdir()) == []


def test_report_writes_three_files(finished: Finished) -> None:
    written = finished.answers["report"].document
    assert list(written) == ["html", "md", "json"]
    html = Path(written["html"]).read_text(encoding="utf-8")
    assert '<html lang="pl"' in html
    assert finished.run_id in html
    assert json.loads(Path(written["json"]).read_text(encoding="utf-8"))


def test_registry_list_gives_names_versions_and_aliases(finished: Finished) -> None:
    done = kamerton(finished.root, "registry", "list", "--json")
    assert [(v["name"], v["version"], v["aliases"]) for v in done.document] == [("tiny", 1, ["candidate", "staging"])]
    assert kamerton(finished.root, "registry", "list", "tiny").out.count("tiny@1") == 1
    assert kamerton(finished.root, "registry", "list", "other").code == 2


def test_registry_show_lists_the_evidence(finished: Finished) -> None:
    done = kamerton(finished.root, "registry", "show", "tiny@staging", "--json")
    kept = done.document["evidence"]
    assert {"record.json", "data_report.json", "decision.json", "comparison-test.json"} <= kept.keys()
    assert f"evidence {kept['record.json'][:16]}  record.json" in done.err


def test_registry_verify_finds_nothing_wrong(finished: Finished) -> None:
    done = kamerton(finished.root, "registry", "verify", "tiny@1", "--json")
    assert (done.code, done.document) == (0, {"problems": [], "objections": []})
    assert "the gate would open" in done.err


def test_runs_tells_what_ran(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = kamerton(finished.root, "runs", "--json").document
    assert (run["run_id"], run["state"], run["step"], run["steps"]) == (finished.run_id, "complete", 20, 20)
    monkeypatch.setenv("COLUMNS", "80")
    lines = kamerton(finished.root, "runs").out.splitlines()
    assert lines[-1].split()[:3] == [finished.run_id, "complete", "20/20"]
    assert "…" not in lines[-1]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "words",
    [["registry", "list"], ["runs"], ["compare", "last"], ["check", "recipe.yaml", "--explain"]],
    ids=lambda words: words[0],
)
def test_screens_fit(words: list[str], width: int, finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = kamerton(finished.root, *words)
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= width
    assert "…" not in done.out


def test_explain_says_where_every_value_comes_from(finished: Finished) -> None:
    words = ["check", "recipe.yaml", "training.epochs=1", "--explain", "--json"]
    values = {value["key"]: value for value in kamerton(finished.root, *words).document["values"]}
    assert values["training.epochs"] == {
        "key": "training.epochs",
        "value": 1.0,
        "origin": "flag",
        "note": "training.epochs",
    }
    assert (values["method.rank"]["origin"], values["method.rank"]["note"]) == ("file", "line 7")
    assert (values["method.alpha"]["value"], values["method.alpha"]["origin"]) == (8.0, "derived")
    assert values["training.seed"]["origin"] == "default"


def test_overrides_reach_the_training(finished: Finished, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "p")
    done = kamerton(project.root, "train", "recipe.yaml", "training.max_steps=1", "name=other", "--json")
    assert (done.document["name"], done.document["result"]["steps"]) == ("other", 1)
    assert done.document["recipe"]["training"]["max_steps"] == 1
    refused = kamerton(project.root, "train", "recipe.yaml", "training.max_step=1")
    assert refused.code == 2
    assert "flag training.max_step: unknown key, did you mean max_steps?" in refused.err


def test_generate_answers_in_text_and_as_a_document(finished: Finished) -> None:
    words = ["generate", "last", "--max-new-tokens", "5"]
    plain = kamerton(finished.root, *words, "Kto naprawi lampę?")
    assert plain.code == 0
    assert "the answer was cut at 5 tokens (--max-new-tokens)" in plain.err
    machine = kamerton(finished.root, *words, "--json", typed="Kto naprawi lampę?").document
    assert (machine["tokens"], machine["finished"]) == (5, False)
    assert plain.out.strip("\n") == machine["text"].strip("\n") or "\\x" in plain.out
    raw = kamerton(finished.root, *words, "--raw", "Kto naprawi", "--json").document
    assert raw["tokens"] == 5


def test_chat_keeps_the_conversation(finished: Finished) -> None:
    done = kamerton(
        finished.root,
        *["chat", "tiny@staging", "--system", "Krótko.", "--max-new-tokens", "3", "--json"],
        typed="Dzień dobry\nI co dalej?\n\nnie czytane\n",
    )
    assert done.code == 0
    messages = done.document["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant"]
    assert messages[3]["content"] == "I co dalej?"


def test_any_model_on_any_file(finished: Finished, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "p")
    done = kamerton(project.root, "evaluate", "base", "--on", "data/general.jsonl", "--json")
    (record,) = done.document
    assert (record["model"], record["set_name"]) == ("base", "data/general.jsonl")
    assert list(record["metrics"]) == ["perplexity"]
    assert list((project.workspace.evaluations).glob("*.json"))
    words = ["compare", "last", "base", "--on", "data/general.jsonl", "--recipe", "recipe.yaml", "--json"]
    (comparison,) = kamerton(project.root, *words).document
    assert (comparison["candidate"], comparison["baselines"]) == (finished.run_id, ["base"])


def test_two_models_on_the_test_part_of_the_first(finished: Finished, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "p")
    (comparison,) = kamerton(project.root, "compare", "last", "base", "--json").document
    assert (comparison["set_name"], comparison["entries"][0]["n_items"]) == ("test", 24)
    other = ["train", "recipe.yaml", "data.split.seed=7", "training.max_steps=1", "name=other", "--json"]
    run_id = kamerton(project.root, *other).document["run_id"]
    refused = kamerton(project.root, "compare", finished.run_id, run_id)
    assert refused.code == 2
    assert f"{run_id}: the model learned from " in refused.err
    assert " of the 24 items of the set test" in refused.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["evaluate", "last", "--recipe", "recipe.yaml"], "the run's own recipe counts"),
        (["compare", "last", "--recipe", "recipe.yaml"], "the run's own recipe counts"),
        (["compare", "last", "--on", "data/general.jsonl"], "a comparison on other sets needs a second model"),
        (["compare", "last", "--on", "test", "general"], "a comparison on other sets needs a second model"),
        (["compare", "last", "last"], "two evaluations are named"),
        (["evaluate", "base", "--on", "test"], "this needs a model that was trained in this workspace"),
        (["evaluate", "last", "--on", "genral"], "no such file"),
        (["rebuild", "base"], "this needs a model that was trained in this workspace"),
        (["report", "nobody"], "no such model"),
        (["generate", "tiny@9", "a"], "the model tiny has no version 9"),
        (["registry", "show", "tiny"], "this names no model version"),
        (["registry", "promote", "tiny", "--to", "staging"], "this names no version"),
        (["registry", "rollback", "tiny@staging", "--reason", "a"], "there is no earlier version to go back to"),
        (["registry", "rollback", "tiny@candidat", "--reason", "a"], "no such alias"),
        (["watch", "nobody"], "no such run"),
        (["stop", "last"], "the run is complete, not running"),
        (["train", "--resume", "nobody"], "no such run"),
        (["sync", "nobody"], "no such run"),
    ],
    ids=lambda part: "-".join(part) if isinstance(part, list) else None,
)
def test_requests_that_cannot_be_met_say_why(words: list[str], told: str, finished: Finished) -> None:
    done = kamerton(finished.root, *words)
    assert done.code == 2, done.err
    assert told in done.err


def test_sync_has_nothing_to_do_without_followers(finished: Finished) -> None:
    done = kamerton(finished.root, "sync", "--json")
    assert done.code == 0
    assert done.document == {finished.run_id: {"state": "in step", "sent": 0, "reason": "the recipe names no follower"}}


def test_watching_a_run_that_is_over_tells_its_end(finished: Finished) -> None:
    done = kamerton(finished.root, "watch", "last", "--json")
    assert done.document["kind"] == "finished"
    assert "training: step 20/20" in done.err


def test_resuming_a_complete_run_gives_its_record(finished: Finished) -> None:
    done = kamerton(finished.root, "train", "--resume", "last", "--json")
    assert done.document == finished.answers["train"].document


def test_schema_is_a_json_schema(finished: Finished) -> None:
    schema = kamerton(finished.root, "schema").document
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert kamerton(finished.root, "schema", "--json").document == schema


def test_init_writes_a_project_once(tmp_path: Path) -> None:
    first = kamerton(tmp_path, "init", "desk", "--json").document["written"]
    names = {Path(path).relative_to(tmp_path / "desk").as_posix() for path in first}
    assert {"recipe.yaml", ".gitignore", ".github/workflows/kamerton.yml", "data/letters.pl.jsonl"} <= names
    assert kamerton(tmp_path, "init", "desk", "--json").document["written"] == []
    (tmp_path / "desk" / "recipe.yaml").write_text("mine", encoding="utf-8")
    refused = kamerton(tmp_path, "init", "desk")
    assert (refused.code, "the folder has other files of a project" in refused.err) == (2, True)
    assert (tmp_path / "desk" / "recipe.yaml").read_text(encoding="utf-8") == "mine"
