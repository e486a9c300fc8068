"""A LLaMA-Factory file goes wherever a recipe goes, and the run keeps it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kamerton.chat import Message
from kamerton.flows.check import check
from kamerton.flows.manager import FineTuningManager
from kamerton.flows.models import find_model, open_model
from kamerton.flows.rebuild import rebuild
from kamerton.flows.train import load_recipe, train
from kamerton.ground.errors import RecipeError, RequestError, VerdictError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, list_runs, read_events
from tiny_project import kamerton, letters, write_lines

SFT = """\
model_name_or_path: base
trust_remote_code: true
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 4
dataset: letters,chats
template: qwen3
cutoff_len: 256
max_samples: 12
overwrite_cache: true
output_dir: saves/tiny/lora/sft
logging_steps: 10
per_device_train_batch_size: 2
gradient_accumulation_steps: 2
learning_rate: 1.0e-2
num_train_epochs: 1.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
use_cpu: true
"""
INFO = {
    "letters": {"file_name": "letters.json"},
    "chats": {"file_name": "chats.json", "formatting": "sharegpt"},
}


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shutil.copytree(tiny_base, tmp_path / "base")
    rows = letters()
    chats = [
        {
            "conversations": [
                {"from": "human", "value": row["instruction"] + "?"},
                {"from": "gpt", "value": row["output"]},
            ]
        }
        for row in rows
    ]
    for name, content in {"letters": rows, "chats": chats, "dataset_info": INFO}.items():
        path = tmp_path / "data" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (tmp_path / "sft.yaml").write_text(SFT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Workspace.at(tmp_path)


def test_it_trains_unchanged_and_the_run_keeps_it(project: Workspace) -> None:
    told: list[dict[str, Any]] = []
    record = train(
        "sft.yaml", project, overrides=["lora_rank=2", "training.compute.threads=1"], on_progress=told.append
    )
    assert record.recipe["method"]["rank"] == 2
    assert record.recipe["name"] == "tiny-lora-sft"
    assert record.result.steps == 6
    assert record.data.parts["train"].rows == 24
    assert record.data.parts["validation"].rows == record.data.parts["test"].rows == 0
    run = RunFolder(project.runs / record.run_id)
    assert (run.path / "llamafactory.yaml").read_text(encoding="utf-8") == SFT
    event = next(event for event in read_events(run.path) if event["kind"] == "translated")
    assert event["sha256"] == hashlib.sha256(SFT.encode()).hexdigest()
    assert event["overrides"] == ["lora_rank=2"]
    assert any("nothing is measured while training" in one.get("notice", "") for one in told)
    held_against = rebuild(record.run_id, project, recipe=Path("sft.yaml"))
    assert "recipe: method.rank was 2 and is now 4" in held_against.what_changed
    assert rebuild(record.run_id, project).identical


def test_a_manager_takes_it(project: Workspace) -> None:
    manager = FineTuningManager("sft.yaml", project, ["max_samples=5"])
    assert manager.recipe.translation is not None
    assert manager.validate_data().splits == {"train": 10, "validation": 0, "test": 0}


def test_the_check_tells_the_translation_and_compares_the_templates(project: Workspace) -> None:
    found = {item.name: item for item in check("sft.yaml", project).items}
    assert "20 keys: 16 became values of the recipe, 4 change nothing here" in found["LLaMA-Factory"].text
    assert "data.split.test=0.1" in found["LLaMA-Factory"].text
    assert "<think>" in found["template"].text
    same = {item.name: item for item in check("sft.yaml", project, overrides=["template=qwen3_nothink"]).items}
    assert same["template"].text.startswith("the tokenizer's own template writes what qwen3_nothink")
    other = {item.name: item for item in check("sft.yaml", project, overrides=["template=alpaca"]).items}
    assert other["template"].doubtful
    unknown = {item.name: item for item in check("sft.yaml", project, overrides=["template=glm4"]).items}
    assert "glm4 of LLaMA-Factory writes is not known here" in unknown["template"].text
    assert "'### Instruction" in other["template"].text or "'Below is an instruction" in other["template"].text


def test_a_base_without_a_template_gets_that_of_the_file(project: Workspace) -> None:
    assert load_recipe("sft.yaml", ["template=alpaca"], workspace=project).recipe.model.chat_template == "tokenizer"
    (project.root / "base" / "chat_template.jinja").unlink()
    for overrides, expected, origin in [
        (["template=alpaca"], "alpaca", "flag"),
        ([], "qwen3", "file"),
        (["template=null"], "empty", "derived"),
        (["template=glm4"], "tokenizer", "flag"),
        (["model.chat_template=plain"], "plain", "flag"),
        (["model.chat_template=tokenizer"], "tokenizer", "flag"),
        (["stage=pt"], "tokenizer", "default"),
    ]:
        resolved = load_recipe("sft.yaml", overrides, workspace=project)
        value = next(value for value in resolved.values if value.key == "model.chat_template")
        assert (value.value, value.origin) == (expected, origin)
        assert resolved.translation is not None
        settled = [notice for notice in resolved.translation.notices if "brings no chat template" in notice]
        assert bool(settled) == (expected in {"alpaca", "qwen3", "empty"})
        assert not settled or f"{expected} is written" in value.note
    items = {item.name: item for item in check("sft.yaml", project, overrides=["template=alpaca"]).items}
    assert "brings no chat template" in items["LLaMA-Factory"].text
    assert items["template"].text == "alpaca writes what alpaca of LLaMA-Factory writes"
    refused = {item.name: item for item in check("sft.yaml", project, overrides=["template=llama3"]).items}
    assert not refused["template"].passed
    assert "no special token <|start_header_id|>" in refused["template"].text


def test_a_default_system_is_in_the_rows(project: Workspace) -> None:
    prepared = FineTuningManager("sft.yaml", project, ["default_system=Odpowiadaj krótko."])
    assert prepared.recipe.recipe.data.system == "Odpowiadaj krótko."
    assert prepared.validate_data().rows_given_system == 24


def test_explain_shows_each_key(project: Workspace) -> None:
    answer = kamerton(
        project.root, "check", "sft.yaml", "--explain", "--json", "--lora_rank", "3", "data.split.test=0.2"
    )
    assert answer.code == 0
    document = answer.document
    told = {each["key"]: each for each in document["llamafactory"]["told"]}
    assert list(told) == [line.partition(":")[0] for line in SFT.splitlines()]
    assert (told["lora_rank"]["place"], told["lora_rank"]["value"]) == ("flag", 3)
    assert told["cutoff_len"]["became"] == "training.max_length: 256"
    assert told["cutoff_len"]["otherwise"]
    values = {value["key"]: value for value in document["values"]}
    assert values["data.split.test"]["origin"] == "flag"
    shown = kamerton(project.root, "check", "sft.yaml", "--explain")
    assert "otherwise: the end of a long row is cut" in " ".join(shown.err.split()) + " ".join(shown.out.split())


def test_a_wrong_file_makes_no_run(project: Workspace) -> None:
    answer = kamerton(project.root, "train", "sft.yaml", "--use_galore", "--lora-rnak=4", "lora_rnak=3")
    assert answer.code == 2
    assert list_runs(project) == []
    with pytest.raises(RecipeError, match=r"flag: use_galore: true: GaLore is not done; the nearest way"):
        train("sft.yaml", project, overrides=["use_galore=true"])
    assert list_runs(project) == []


def test_a_missing_deepspeed_file_makes_no_run(project: Workspace) -> None:
    with pytest.raises(RequestError, match="no such file"):
        train("sft.yaml", project, overrides=["deepspeed=ds_z3.json"], processes=2)
    assert list_runs(project) == []
    with pytest.raises(RequestError, match="no such file"):
        check("sft.yaml", project, overrides=["training.parallel={strategy: deepspeed, deepspeed: ds_z3.json}"])
    items = {item.name: item for item in check("sft.yaml", project, overrides=["deepspeed=ds_z3.json"]).items}
    assert items["deepspeed"].doubtful
    assert "no such file" in items["deepspeed"].text
    (project.root / "ds_z3.json").write_text('{"zero_optimization": {"stage": 3}}', encoding="utf-8")
    items = {item.name: item for item in check("sft.yaml", project, overrides=["deepspeed=ds_z3.json"]).items}
    assert items["deepspeed"].text == "with several processes: fsdp2"


def test_a_context_shorter_than_the_rows_is_told(project: Workspace) -> None:
    long = [{"instruction": "Co?", "output": "tak " * 2000}]
    (project.root / "data" / "letters.json").write_text(json.dumps(long), encoding="utf-8")
    asked = ["dataset=letters", "cutoff_len=4096"]
    resolved = load_recipe("sft.yaml", asked, workspace=project)
    value = next(value for value in resolved.values if value.key == "training.max_length")
    assert "the model's context cuts at 512 tokens, before cutoff_len: 4096 does" in value.note
    result = check("sft.yaml", project, overrides=asked)
    assert "the model's context cuts at 512" in next(item for item in result.items if item.name == "LLaMA-Factory").text
    assert result.data is not None
    (cut,) = (finding for finding in result.data.findings if finding.kind == "truncated")
    assert cut.message.endswith("the model's context cuts it at 512")


def test_a_set_that_is_trained_on_whole_fails(project: Workspace) -> None:
    with pytest.raises(VerdictError, match="stand in the training rows"):
        train("sft.yaml", project, overrides=["eval_dataset=letters"])
    assert list_runs(project) == []


def test_texts_are_packed_only_where_they_are_asked_to_be(project: Workspace) -> None:
    _more_data(project.root)
    asked = ["stage=pt", "dataset=texts", "template=null", "training.compute.threads=1", "training.max_steps=1"]
    told = {}
    for packing in ("false", "true"):
        record = train("sft.yaml", project, overrides=[*asked, f"packing={packing}"])
        events = read_events(project.runs / record.run_id)
        told[packing] = next(event["sequences"] for event in events if event["kind"] == "examples")
    assert told["false"] == 12 > told["true"]


def test_a_missing_data_set_is_named(project: Workspace) -> None:
    items = {item.name: item for item in check("sft.yaml", project, overrides=["dataset=leters"]).items}
    assert not items["data can be read"].passed
    assert "leters" in items["data can be read"].text


PAIRS = {
    "ranking": True,
    "formatting": "sharegpt",
    "columns": {"messages": "chat", "chosen": "chosen", "rejected": "rejected"},
}
MESSAGES = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
MORE = {
    "pairs": {"file_name": "pairs.json", **PAIRS},
    "liked": {"file_name": "liked.json", "formatting": "sharegpt", "columns": {"messages": "chat", "kto_tag": "label"}}
    | {"tags": MESSAGES},
    "others": {"file_name": "others.json"},
    "texts": {"file_name": "texts.jsonl", "columns": {"prompt": "text"}},
}
EXAMPLES = {
    "watched": "stage: sft\ndataset: letters\nval_size: 0.25\neval_strategy: steps\neval_steps: 2\n"
    "load_best_model_at_end: true\nearly_stopping_steps: 3",
    "pretrain": "stage: pt\ndataset: texts",
    "dpo": "stage: dpo\npref_beta: 0.1\npref_loss: sigmoid\npref_ftx: 0.1\ndataset: pairs",
    "orpo": "stage: dpo\npref_loss: orpo\ndataset: pairs\nval_size: 0.25",
    "simpo": "stage: dpo\npref_loss: simpo\ndataset: pairs",
    "kto": "stage: kto\npref_beta: 0.1\ndataset: liked",
    "reward": "stage: rm\ndataset: pairs",
    "full": "stage: sft\nfinetuning_type: full\ndeepspeed: examples/deepspeed/ds_z3_config.json\ndataset: letters",
    "freeze": "stage: sft\nfinetuning_type: freeze\nfreeze_trainable_layers: 1\nfreeze_extra_modules: norm\n"
    "dataset: letters",
    "oft": "stage: sft\nfinetuning_type: oft\noft_block_size: 16\ndataset: letters",
    "loraplus": "stage: sft\nloraplus_lr_ratio: 16.0\nuse_rslora: true\ndataset: letters\noptim: adafactor",
    "pissa": "stage: sft\npissa_init: true\npissa_iter: 16\npissa_convert: true\ndataset: letters",
    "dora": "stage: sft\nuse_dora: true\ndataset: chats\ntemplate: chatml\nneat_packing: true\neval_dataset: others",
}
AROUND = """\
model_name_or_path: base
trust_remote_code: true
do_train: true
cutoff_len: 512
max_samples: 16
overwrite_cache: true
preprocessing_num_workers: 16
output_dir: saves/example
logging_steps: 10
plot_loss: true
overwrite_output_dir: true
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 1.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
ddp_timeout: 180000000
"""


def _more_data(root: Path) -> None:
    """Pairs, rated answers and texts, as LLaMA-Factory has them."""
    rows = letters()[:20]
    files: dict[str, Any] = {
        "pairs": [
            {
                "chat": [{"from": "human", "value": row["instruction"]}],
                "chosen": {"from": "gpt", "value": row["output"]},
                "rejected": {"from": "gpt", "value": "Nie wiem."},
            }
            for row in rows
        ],
        "liked": [
            {
                "chat": [
                    {"role": "user", "content": row["instruction"]},
                    {"role": "assistant", "content": row["output"] if number % 2 else "Nie wiem."},
                ],
                "label": bool(number % 2),
            }
            for number, row in enumerate(rows)
        ],
        "others": letters()[40:],
        "dataset_info": INFO | MORE,
    }
    for name, content in files.items():
        (root / "data" / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    write_lines(root / "data" / "texts.jsonl", [{"text": row["instruction"]} for row in rows])


@pytest.mark.slow
def test_a_raw_base_trains_and_answers_under_the_template_of_the_file(project: Workspace) -> None:
    (project.root / "base" / "chat_template.jinja").unlink()
    record = train("sft.yaml", project, overrides=["template=alpaca", "default_system=Krótko. ", "max_samples=4"])
    assert record.recipe["model"]["chat_template"] == "alpaca"
    asked: list[Message] = [{"role": "user", "content": "Co?"}]
    generator = open_model(find_model(record.run_id, project), project)
    assert generator.loaded.format.render(asked, answering=True).endswith("### Instruction:\nCo?\n\n### Response:\n")
    assert rebuild(record.run_id, project).identical


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_files_as_users_write_them_train(name: str, project: Workspace) -> None:
    _more_data(project.root)
    (project.root / "theirs.yaml").write_text(AROUND + EXAMPLES[name] + "\n", encoding="utf-8")
    record = train("theirs.yaml", project, overrides=["training.compute.precision=fp32", "training.compute.threads=1"])
    assert record.result.steps >= 1
    assert record.recipe["name"] == "example"
