"""Every key that LLaMA-Factory accepts has exactly one fate, and no fate is without an effect or a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llamafactory_names import DECLARED
from llamafactory_page import PAGE, page

from kamerton.ground.errors import RecipeError
from kamerton.recipe import RecipeSource, parse_recipe
from kamerton.recipe.llamafactory import KEYS, Became, Refused
from kamerton.recipe.llamafactory.keys import OLD_NAMES, V1_KEYS
from kamerton.recipe.llamafactory.to_method import scopes

BASE = {
    "model_name_or_path": "tiny-pl",
    "stage": "sft",
    "do_train": True,
    "finetuning_type": "lora",
    "dataset": "letters",
    "output_dir": "saves/letters",
}
NAMES = sorted({name for names in DECLARED.values() for name in names})
BECAME = sorted(name for name, key in KEYS.items() if isinstance(key.fate, Became))
FAULTY = {"quantization_method", "train_sampling_strategy", "do_train", "greater_is_better", "metric_for_best_model"}
"""Keys whose samples are refused."""
REFUSED = sorted(name for name, key in KEYS.items() if isinstance(key.fate, Refused))
"""Keys with the samples that ask for something."""
SAMPLES: dict[str, dict[str, Any]] = {
    "adam_beta2": {"adam_beta2": 0.9},
    "adam_beta1": {"adam_beta1": 0.8},
    "adapter_name_or_path": {"adapter_name_or_path": "saves/one"},
    "additional_target": {"additional_target": "embed_tokens"},
    "bf16": {"bf16": True},
    "create_new_adapter": {"create_new_adapter": True, "adapter_name_or_path": "saves/one"},
    "dataset_dir": {"dataset_dir": "elsewhere"},
    "deepspeed": {"deepspeed": "ds.json"},
    "double_quantization": {"double_quantization": False, "quantization_bit": 4},
    "dpo_label_smoothing": {"dpo_label_smoothing": 0.1, "stage": "dpo"},
    "early_stopping_steps": {"early_stopping_steps": 3, "val_size": 0.1},
    "eval_steps": {"eval_steps": 7, "eval_strategy": "steps", "val_size": 0.1},
    "eval_strategy": {"eval_strategy": "steps", "val_size": 0.1},
    "freeze_extra_modules": {"freeze_extra_modules": "norm", "finetuning_type": "freeze"},
    "freeze_trainable_layers": {"freeze_trainable_layers": 1, "finetuning_type": "freeze"},
    "freeze_trainable_modules": {"freeze_trainable_modules": "mlp", "finetuning_type": "freeze"},
    "fsdp": {"fsdp": "full_shard"},
    "interleave_probs": {"interleave_probs": "0.5,0.5", "mix_strategy": "interleave_once", "dataset": "a,b"},
    "kto_chosen_weight": {"kto_chosen_weight": 2.0, "stage": "kto"},
    "kto_rejected_weight": {"kto_rejected_weight": 2.0, "stage": "kto"},
    "load_best_model_at_end": {"load_best_model_at_end": True, "val_size": 0.1},
    "lr_scheduler_kwargs": {"lr_scheduler_kwargs": {"min_lr_rate": 0.1}, "lr_scheduler_type": "cosine_with_min_lr"},
    "lr_scheduler_type": {"lr_scheduler_type": "cosine"},
    "lora_dropout": {"lora_dropout": 0.1},
    "loraplus_lr_ratio": {"loraplus_lr_ratio": 16.0},
    "max_steps": {"max_steps": 5},
    "mix_strategy": {"mix_strategy": "interleave_once", "dataset": "a,b"},
    "model_revision": {"model_revision": "abc"},
    "module_dropout": {"module_dropout": 0.1, "finetuning_type": "oft"},
    "oft_block_size": {"oft_block_size": 16, "finetuning_type": "oft"},
    "oft_rank": {"oft_rank": 4, "finetuning_type": "oft"},
    "oft_target": {"oft_target": "q_proj", "finetuning_type": "oft"},
    "optim": {"optim": "adafactor"},
    "do_train": {"do_train": False},
    "pissa_init": {"pissa_init": True},
    "pissa_iter": {"pissa_iter": 4, "pissa_init": True},
    "pref_beta": {"pref_beta": 0.3, "stage": "dpo"},
    "pref_ftx": {"pref_ftx": 0.3, "stage": "dpo"},
    "pref_loss": {"pref_loss": "orpo", "stage": "dpo"},
    "quantization_bit": {"quantization_bit": 4},
    "quantization_method": {"quantization_method": "hqq", "quantization_bit": 4},
    "quantization_type": {"quantization_type": "fp4", "quantization_bit": 4},
    "ref_model": {"ref_model": "other", "stage": "dpo"},
    "report_to": {"report_to": "wandb"},
    "save_strategy": {"save_strategy": "epoch"},
    "simpo_gamma": {"simpo_gamma": 0.9, "stage": "dpo", "pref_loss": "simpo"},
    "stage": {"stage": "pt"},
    "template": {"template": "llama3"},
    "train_sampling_strategy": {"train_sampling_strategy": "sequential"},
    "finetuning_type": {"finetuning_type": "full"},
    "warmup_ratio": {"warmup_ratio": 0.1},
    "warmup_steps": {"warmup_steps": 10},
}


def read(**keys: Any) -> RecipeSource:
    return parse_recipe(json.dumps(BASE | keys), file="theirs.json")


def refusal(**keys: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        read(**keys)
    return str(caught.value)


def another(name: str) -> Any:
    """A value of the key's type that is not its default."""
    key = KEYS[name]
    if key.kind == "bool":
        return not key.default
    if key.kind in ("int", "float"):
        return (key.default or 0) + 1
    return "something"


def sample(name: str) -> dict[str, Any]:
    return SAMPLES.get(name, {name: another(name)})


@pytest.mark.parametrize("declared", DECLARED)
def test_every_declared_key_has_a_fate(declared: str) -> None:
    assert [name for name in DECLARED[declared] if name not in KEYS] == []


def test_there_are_no_fates_of_keys_that_nobody_declares() -> None:
    assert sorted(KEYS) == NAMES
    assert not set(V1_KEYS) & set(KEYS)
    assert not set(OLD_NAMES) & set(KEYS)
    assert set(OLD_NAMES.values()) <= set(KEYS)


@pytest.mark.slow
def test_every_field_of_the_installed_trainer_has_a_fate() -> None:
    import dataclasses

    from transformers import Seq2SeqTrainingArguments

    assert {field.name for field in dataclasses.fields(Seq2SeqTrainingArguments)} <= set(KEYS)


def test_each_scope_is_a_condition_that_the_mapping_knows() -> None:
    from kamerton.recipe.llamafactory.draft import Draft
    from kamerton.recipe.llamafactory.request import read_request

    known = scopes(Draft(read_request(BASE, dict.fromkeys(BASE, "flag"), "theirs")))
    assert {key.fate.scope for key in KEYS.values() if isinstance(key.fate, Became)} <= set(known)


@pytest.mark.parametrize("name", BECAME)
def test_a_key_that_becomes_something_changes_the_recipe_or_is_told(name: str) -> None:
    keys = sample(name)
    around = {key: value for key, value in keys.items() if key != name}
    if name in FAULTY:
        assert f" {name}" in refusal(**keys)
        return
    # A schedule that needs its settings is held against the one that does not.
    plain = read(lr_scheduler_type="cosine") if name == "lr_scheduler_kwargs" else read(**around)
    found = read(**keys)
    assert found.translation is not None
    told = next(told for told in found.translation.told if told.key == name)
    assert found.recipe != plain.recipe or told.otherwise, told


@pytest.mark.parametrize("name", REFUSED)
def test_a_key_that_is_not_done_is_refused_by_name_with_the_nearest_way(name: str) -> None:
    fate = KEYS[name].fate
    assert isinstance(fate, Refused)
    told = refusal(**{name: another(name) if name != "adapter_name_or_path" else "x"})
    assert name in told
    assert fate.way in told or "kamerton" in told
    default = read(**{name: KEYS[name].default})
    assert default.translation is not None
    assert default.recipe == read().recipe


@pytest.mark.parametrize("name", sorted(KEYS))
def test_null_is_the_same_as_leaving_a_key_out(name: str) -> None:
    if name in BASE and name not in ("output_dir", "do_train", "finetuning_type", "stage"):
        return
    left_out = parse_recipe(json.dumps({key: value for key, value in BASE.items() if key != name}))
    assert read(**{name: None}).recipe == left_out.recipe


def test_a_key_that_changes_nothing_has_a_reason() -> None:
    for key in KEYS.values():
        if not isinstance(key.fate, Became):
            assert len(key.fate.why) > 10


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    told = refusal(lora_rnak=4, quux=1)
    assert "lora_rnak: LLaMA-Factory has no such key, did you mean lora_rank?" in told
    assert "quux: LLaMA-Factory has no such key" in told


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    text = "model_name_or_path: tiny-pl\nstage: ppo\ndataset: a\nuse_galore: true\nlora_rank: eight\nuse_kt: true\n"
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, file="x.yaml")
    told = str(caught.value)
    for part in (
        "line 2: stage: ppo",
        "line 4: use_galore: true",
        "line 5: lora_rank: eight: must be",
        "line 6: use_kt",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("bf16", "maybe", "true or false"),
        ("bf16", 1, "true or false"),
        ("lora_rank", 1.5, "a whole number"),
        ("lora_rank", True, "a whole number"),
        ("learning_rate", "fast", "a number"),
        ("template", ["llama3"], "a text"),
        ("dataset", {"a": 1}, "names with commas"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any, expected: str) -> None:
    assert f"{name}: {str(value).lower() if isinstance(value, bool) else value}: must be {expected}" in refusal(
        **{name: value}
    )


def test_older_names_are_read_as_todays() -> None:
    found = read(evaluation_strategy="epoch", val_size=0.1, no_cuda=True)
    assert found.recipe.training.compute.device == "cpu"
    assert "the older name of eval_strategy, which is given too" in refusal(
        evaluation_strategy="epoch", eval_strategy="no", val_size=0.1
    )


def test_the_page_lists_every_key_as_it_is() -> None:
    """`python tests/recipe/llamafactory_page.py` rewrites its tables."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text)
    assert [name for name in KEYS if f"`{name}`" not in text] == []
