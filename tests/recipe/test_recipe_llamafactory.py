"""LLaMA-Factory's files become recipes that mean what they mean there."""

from __future__ import annotations

import contextlib
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kamerton.ground.errors import RecipeError
from kamerton.recipe import Derived, RecipeSource, parse_recipe, resolve
from kamerton.recipe.llamafactory import KEYS, TEMPLATES, as_overrides
from kamerton.recipe.model import TemplateName

SFT = """\
### model
model_name_or_path: tiny-pl
trust_remote_code: true

### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 16

### dataset
dataset: identity,alpaca_en_demo
template: llama3
cutoff_len: 1024
max_samples: 1000

### output
output_dir: saves/llama3-8b/lora/sft
logging_steps: 10

### train
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1e-4
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
"""
BARE = "model_name_or_path: tiny-pl\nstage: {}\ndataset: rows\ndo_train: true\n"
MACHINE = {
    "training.compute.threads": Derived(2, "cores"),
    "training.compute.precision": Derived("fp32", "none"),
    "training.compute.forward_tokens": Derived(2048, "fast"),
    "training.compute.gradient_checkpointing": Derived(False, "memory suffices"),
}


def read(text: str, *overrides: str, processes: int | None = None) -> RecipeSource:
    return parse_recipe(text, overrides, file="theirs.yaml", processes=processes)


def refusal(text: str, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read(text, *overrides)
    return str(caught.value)


def told(source: RecipeSource) -> dict[str, str]:
    assert source.translation is not None
    return {each.key: each.became for each in source.translation.told}


def objective(stage: str, *overrides: str) -> dict[str, Any]:
    found = read(BARE.format(stage), *overrides).recipe.training.objective
    return found.model_dump(exclude_unset=True)


def test_a_file_as_users_write_it() -> None:
    recipe = read(SFT).recipe
    assert recipe.name == "llama3-8b-lora-sft"
    assert recipe.model.base == "tiny-pl"
    assert recipe.data.train == ["data/dataset_info.json:identity", "data/dataset_info.json:alpaca_en_demo"]
    assert recipe.data.max_rows == 1000
    assert recipe.method.model_dump(include={"kind", "rank", "alpha", "targets"}) == {
        "kind": "lora",
        "rank": 16,
        "alpha": 32.0,
        "targets": "all_linear",
    }
    training = recipe.training
    assert (training.batch_size, training.learning_rate, training.schedule) == (8, 1e-4, "cosine")
    assert (training.warmup_steps, training.max_length) == (0.1, 1024)
    assert training.compute.precision == "bf16"


def test_what_it_does_not_say_is_as_llama_factory_has_it() -> None:
    """And not as Kamerton would have it."""
    recipe = read(BARE.format("sft")).recipe
    training = recipe.training
    assert (training.learning_rate, training.epochs, training.batch_size) == (5e-5, 3.0, 8)
    assert (training.schedule, training.warmup_steps, training.max_length) == ("linear", 0, 2048)
    assert training.optimizer.model_dump() == {
        "kind": "adamw",
        "weight_decay": 0.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "max_grad_norm": 1.0,
    }
    assert (training.checkpoint_every, training.seed, recipe.data.split.seed) == (500, 42, 42)
    assert (recipe.data.split.validation, recipe.data.split.test) == (0.0, 0.0)
    assert recipe.data.clean.exact_duplicates == "report"
    assert recipe.tracking.followers == []
    assert recipe.name == "trainer_output"


def test_each_value_says_which_key_it_came_from() -> None:
    values = {value.key: value for value in resolve(read(SFT, "lora_rank=4", "training.epochs=1.0"), MACHINE).values}
    assert (values["method.rank"].origin, values["method.rank"].note) == ("flag", "flag: lora_rank")
    assert (values["training.epochs"].origin, values["training.epochs"].note) == ("flag", "training.epochs")
    batch = values["training.batch_size"]
    assert batch.note == "line 22: per_device_train_batch_size, line 23: gradient_accumulation_steps"
    assert values["training.seed"].note == "LLaMA-Factory's default (seed)"
    assert (values["training.seed"].origin, values["evaluation.seed"].origin) == ("derived", "default")
    assert values["data.split.test"].note == "LLaMA-Factory holds out no test part"
    assert values["training.compute.threads"].note == "cores"


def test_each_key_says_what_became_of_it() -> None:
    source = read(SFT)
    found = told(source)
    assert list(found)[:3] == ["model_name_or_path", "trust_remote_code", "stage"]
    assert found["lora_rank"] == "method.alpha: 32.0, method.rank: 16"
    assert "no code" in found["trust_remote_code"]
    assert found["gradient_accumulation_steps"] == "training.batch_size: 8"
    assert source.translation is not None
    assert source.translation.told[0].place == "line 2"
    assert any("nothing is measured while training" in notice for notice in source.translation.notices)
    assert source.translation.text == SFT


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["lora_alpha=7"], {"method.alpha": 7.0}),
        (["lora_target=q_proj, v_proj"], {"method.targets": ["q_proj", "v_proj"]}),
        (["finetuning_type=full"], {"method.kind": "full"}),
        (["finetuning_type=freeze", "freeze_trainable_layers=-3"], {"method.layers": -3, "method.modules": "all"}),
        (["finetuning_type=oft", "oft_rank=4"], {"method.blocks": 4, "method.block_size": None}),
        (["finetuning_type=oft"], {"method.block_size": 32, "method.targets": "all_linear"}),
        (["quantization_bit=4"], {"method.kind": "qlora", "model.quantization": "nf4"}),
        (["quantization_bit=4", "quantization_type=fp4"], {"model.quantization": "fp4"}),
        (["quantization_bit=8"], {"model.quantization": "int8", "model.double_quantization": None}),
        (["pissa_init=true"], {"method.init": "pissa", "method.pissa_iterations": 16}),
        (["pissa_init=true", "pissa_iter=-1"], {"method.init": "pissa", "method.pissa_iterations": None}),
        (["adapter_name_or_path=a,b"], {"method.start_from": ["a", "b"], "method.new_adapter": False}),
        (["adapter_name_or_path=a", "create_new_adapter=true"], {"method.new_adapter": True}),
        (["model_revision=v2"], {"model.base": "tiny-pl@v2"}),
        (["val_size=0.1"], {"data.split.validation": 0.1}),
        (["val_size=1"], {"data.split.validation": 1}),
        (["val_size=50"], {"data.split.validation": 50}),
        (["eval_dataset=a"], {"data.validation": ["data/dataset_info.json:a"], "data.split.validation": 0.0}),
        (["dataset_dir=ONLINE", "dataset=o/n"], {"data.train": [{"source": "hf://datasets/o/n", "shape": "alpaca"}]}),
        (["dataset_dir=/x/"], {"data.train": ["/x/dataset_info.json:rows"]}),
        (["warmup_steps=30"], {"training.warmup_steps": 30}),
        (["warmup_steps=0.2"], {"training.warmup_steps": 0.2}),
        (["warmup_ratio=0.0"], {"training.warmup_steps": 0}),
        (
            ["lr_scheduler_type=constant", "warmup_steps=9"],
            {"training.schedule": "constant", "training.warmup_steps": 0},
        ),
        (["lr_scheduler_type=constant_with_warmup", "warmup_steps=9"], {"training.warmup_steps": 9}),
        (
            ["lr_scheduler_type=cosine_with_min_lr", "lr_scheduler_kwargs={min_lr: 1e-5}"],
            {"training.schedule": "cosine", "training.min_rate_share": 0.2},
        ),
        (
            ["lr_scheduler_type=cosine_with_min_lr", """lr_scheduler_kwargs='{"min_lr_rate": 0.3}'"""],
            {"training.min_rate_share": 0.3},
        ),
        (["save_total_limit=-1"], {"training.keep_checkpoints": 2}),
        (["optim=paged_adamw_8bit"], {"training.optimizer.kind": "adamw_8bit"}),
        (["optim=sgd", "adam_beta1=0.5"], {"training.optimizer.kind": "sgd", "training.optimizer.beta1": 0.0}),
        (["max_grad_norm=0"], {"training.optimizer.max_grad_norm": 1e30}),
        (["max_steps=7"], {"training.max_steps": 7}),
        (["pure_bf16=true"], {"training.compute.precision": "bf16"}),
        (["fp16=true"], {"training.compute.precision": None}),
        (["disable_gradient_checkpointing=true"], {"training.compute.gradient_checkpointing": False}),
        (["gradient_checkpointing=true"], {"training.compute.gradient_checkpointing": True}),
        (["packing=false"], {"training.compute.packing": False}),
        (["neat_packing=true"], {"training.compute.packing": True}),
        (["use_cpu=true"], {"training.compute.device": "cpu"}),
        (["eval_strategy=steps", "val_size=9"], {"training.evaluate_every": 500}),
        (["eval_strategy=steps", "val_size=9", "eval_steps=4"], {"training.evaluate_every": 4}),
        (["eval_strategy=epoch", "val_size=9"], {"training.evaluate_every": None}),
        (["save_steps=20", "save_total_limit=3"], {"training.checkpoint_every": 20, "training.keep_checkpoints": 3}),
        (["load_best_model_at_end=true", "val_size=9"], {"training.finish_with": "best"}),
        (["early_stopping_steps=3", "val_size=9"], {"training.early_stopping.patience": 3}),
        (["report_to=all"], {"tracking.followers": ["mlflow", "tensorboard", "wandb"]}),
        (["report_to=[wandb]", "project=p"], {"tracking.followers": ["wandb"], "tracking.experiment": "p"}),
        (["template=chatml"], {"model.chat_template": "chatml"}),
        (["default_system=Odpowiadaj krótko."], {"data.system": "Odpowiadaj krótko."}),
        (["output_dir=/a b/../ł/x!"], {"name": "a-b-x"}),
        (["output_dir=saves/"], {"name": "model"}),
        (["bf16=yes"], {"training.compute.precision": "bf16"}),
    ],
)
def test_what_keys_become(overrides: list[str], expected: dict[str, Any]) -> None:
    document = read(BARE.format("sft"), *overrides).recipe.model_dump()
    found = {}
    for key in expected:
        value: Any = document
        for part in key.split("."):
            value = value[part]
        found[key] = value
    for source in found.get("data.train", []):
        if isinstance(source, dict):
            found["data.train"] = [{key: source[key] for key in ("source", "shape")}]
    assert found == expected


@pytest.mark.parametrize(
    ("stage", "overrides", "expected"),
    [
        ("pt", [], {"kind": "pretrain"}),
        ("pt", ["packing=true"], {"kind": "pretrain"}),
        ("pt", ["packing=false"], {"kind": "sft", "learn_from": "everything"}),
        ("rm", [], {"kind": "reward"}),
        ("sft", ["mask_history=true"], {"kind": "sft", "learn_from": "last_answer"}),
        (
            "sft",
            ["train_on_prompt=true", "use_dft_loss=true"],
            {"kind": "sft", "learn_from": "everything", "loss": "dft"},
        ),
        ("dpo", ["pref_loss=orpo"], {"kind": "orpo", "beta": 0.1}),
        ("dpo", ["pref_loss=simpo", "simpo_gamma=1.2"], {"kind": "simpo", "beta": 0.1, "gamma": 1.2}),
        (
            "dpo",
            ["pref_loss=ipo", "pref_ftx=0.2", "ref_model=other"],
            {
                "kind": "dpo",
                "loss": "ipo",
                "beta": 0.1,
                "sft_weight": 0.2,
                "label_smoothing": 0.0,
                "reference": "other",
            },
        ),
        (
            "kto",
            ["kto_chosen_weight=2.0"],
            {"kind": "kto", "beta": 0.1, "liked_weight": 2.0, "disliked_weight": 1.0},
        ),
    ],
)
def test_stages_become_objectives(stage: str, overrides: list[str], expected: dict[str, Any]) -> None:
    assert objective(stage, *overrides) == expected


@pytest.mark.parametrize(
    ("stage", "overrides", "told"),
    [
        ("ppo", [], "stage: ppo: ppo with a reward model is not done; the nearest way: training.objective: grpo"),
        ("dpo", ["pref_loss=kto_pair"], "flag: pref_loss: kto_pair"),
        ("dpo", ["pref_loss=orpo", "pref_ftx=1.0"], "pref_ftx"),
        ("dpo", ["mask_history=true"], "mask_history: true: it belongs to stage: sft"),
        ("kto", ["pref_ftx=1.0"], "pref_ftx"),
        ("sft", ["train_on_prompt=true", "mask_history=true"], "mask_history"),
        ("sft", ["val_size=0.1", "eval_dataset=a"], "eval_dataset is the validation part already"),
        ("sft", ["eval_strategy=steps"], "nothing is held out to measure on"),
        ("sft", ["load_best_model_at_end=true"], "nothing is held out to measure on"),
        ("sft", ["early_stopping_steps=2"], "nothing is held out to measure on"),
        ("sft", ["finetuning_type=full", "quantization_bit=4"], "quantised weights cannot move"),
        ("sft", ["finetuning_type=full", "adapter_name_or_path=a"], "trains no adapter"),
        ("sft", ["quantization_bit=4", "quantization_method=gptq"], "bitsandbytes alone"),
        ("sft", ["quantization_bit=3"], "4 and 8 bits"),
        ("sft", ["mix_strategy=interleave_over", "dataset=a,b"], "data.mix.temperature"),
        ("sft", ["interleave_probs='0.5,0.5'", "dataset=a,b"], "draws nothing"),
        ("sft", ["optim=lion_8bit"], "adamw_8bit"),
        ("sft", ["lr_scheduler_type=polynomial"], "cosine, linear"),
        ("sft", ["lr_scheduler_type=inverse_sqrt"], "warmup_steps"),
        ("sft", ["lr_scheduler_kwargs={num_cycles: 2}"], "lr_scheduler_kwargs"),
        ("sft", ["report_to=swanlab"], "swanlab does not follow runs"),
        ("sft", ["template=lama3"], "the nearest way: llama3"),
        ("sft", ["fsdp=full_shard offload"], "full_shard"),
        ("sft", ["deepspeed={zero_optimization: {stage: 3}}"], "a file of their own"),
        ("sft", ["hf_hub_token=hf_x"], "HF_TOKEN"),
        ("sft", ["dataset_dir=REMOTE:x/y"], "dataset_info.json of the hub"),
        ("sft", ["dataset=null"], "nothing names the rows"),
        ("sft", ["model_name_or_path=null"], "nothing says which model"),
        ("sft", ["warmup_ratio=1.5"], "below 1"),
        ("sft", ["val_size=-1"], "val_size"),
        ("sft", ["save_steps=.inf"], "save_steps: inf: must be a number"),
        ("sft", ["lora_rank=.nan"], "lora_rank: nan: must be a whole number"),
        (
            "sft",
            ["learning_rate=0", "lr_scheduler_type=cosine_with_min_lr", "lr_scheduler_kwargs={min_lr: 1e-5}"],
            "learning_rate: 0: must be above 0",
        ),
        ("sft", ["lora_rank=0"], "lora_rank (method.rank): must be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(stage: str, overrides: list[str], told: str) -> None:
    assert told in refusal(BARE.format(stage), *overrides)


def test_rows_of_a_step_are_counted_over_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ["per_device_train_batch_size=2", "gradient_accumulation_steps=3"]
    assert read(BARE.format("sft"), *overrides, processes=4).recipe.training.batch_size == 24
    monkeypatch.setenv("WORLD_SIZE", "many")
    assert read(BARE.format("sft"), *overrides).recipe.training.batch_size == 6
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert read(BARE.format("sft"), *overrides).recipe.training.batch_size == 12


def test_a_model_is_parted_where_there_are_several_processes() -> None:
    text = BARE.format("sft")
    alone = read(text, "fsdp=full_shard auto_wrap", "deepspeed=ds.json")
    assert alone.recipe.training.parallel.deepspeed is None
    assert alone.translation is not None
    others = {each.key: each.otherwise for each in alone.translation.told}
    assert others["fsdp"] == others["deepspeed"] != ()
    assert read(text, "fsdp=[full_shard]", processes=2).recipe.training.parallel.strategy == "fsdp2"
    assert read(text, "deepspeed=ds.json", processes=2).recipe.training.parallel.deepspeed == "ds.json"


def test_our_own_overrides_stand_behind_theirs() -> None:
    source = read(SFT, "data.split.test=0.2", "lora_rank=4", "name=other")
    assert source.recipe.data.split.test == 0.2
    assert source.recipe.name == "other"
    assert source.translation is not None
    assert source.translation.overrides == ("lora_rank=4",)


def test_an_override_replaces_an_older_name() -> None:
    source = read(BARE.format("sft") + "evaluation_strategy: steps\nval_size: 9\n", "eval_strategy=epoch")
    assert source.recipe.training.evaluate_every is None


def test_json_is_read_too() -> None:
    text = '{"model_name_or_path": "tiny-pl", "dataset": "a", "do_train": true, "learning_rate": 2e-5}'
    assert read(text).recipe.training.learning_rate == 2e-5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "model: tiny-pl\npeft_config: {name: lora}\ntrain_dataset: x.yaml\n",
            "V1 schema (peft_config, train_dataset)",
        ),
        ("model: {base: tiny-pl}\ndata: {train: [a]}\nstage: sft\n", "mixes keys of Kamerton (model, data)"),
        ("model_name_or_path: x\ntask: mmlu_test\nn_shot: 5\n", "llamafactory-cli eval"),
        ("model_name_or_path: x\nexport_dir: y\ntemplate: llama3\n", "llamafactory-cli export"),
        ("model_name_or_path: x\ntemplate: llama3\ninfer_backend: vllm\n", "llamafactory-cli chat or api"),
        ("model_name_or_path: x\nstage: sft\ndo_predict: true\neval_dataset: a\n", "kamerton evaluate"),
        ("model_name_or_path: x\nstage: sft\nmodel_name_or_path: y\n", "given twice"),
        ("model_name_or_path: x\nstage:\n  a: 1\ndataset: d\n", "line 2: stage"),
    ],
)
def test_other_files_are_known_and_refused(text: str, told: str) -> None:
    assert told in refusal(text)


def test_the_variable_of_the_newer_schema_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_V1", "1")
    assert "V1 schema (USE_V1=1)" in refusal(SFT)
    parse_recipe("model: {base: tiny-pl}\ndata: {train: [a]}\n")


def test_a_recipe_of_our_own_is_no_translation() -> None:
    assert parse_recipe("model: {base: tiny-pl}\ndata: {train: [a]}\n").translation is None


def test_no_secret_is_kept() -> None:
    for key in ("hf_hub_token", "hub_token", "ms_hub_token", "om_hub_token", "swanlab_api_key", "swanlab_lark_secret"):
        assert "secrets do not belong there" in refusal(SFT + f"{key}: abc\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "a.yaml", "--lora_rank", "4"], ["train", "a.yaml", "lora_rank=4"]),
        (["train", "a.yaml", "--lora-rank=4", "x=1"], ["train", "a.yaml", "lora_rank=4", "x=1"]),
        (["train", "a.yaml", "--bf16", "--seed", "1"], ["train", "a.yaml", "bf16=true", "seed=1"]),
        (["train", "a.yaml", "--bf16", "false"], ["train", "a.yaml", "bf16=false"]),
        (["train", "a.yaml", "--no_bf16"], ["train", "a.yaml", "bf16=false"]),
        (["train", "a.yaml", "--max_steps", "-1"], ["train", "a.yaml", "max_steps=-1"]),
        (["train", "--bf16", "a.yaml"], ["train", "bf16=true", "a.yaml"]),
        (["train", "--evaluation_strategy", "no"], ["train", "evaluation_strategy=no"]),
        (["train", "--resume", "last", "--json"], ["train", "--resume", "last", "--json"]),
        (["train", "--seed"], ["train", "--seed"]),
        (["train", "a.yaml", "--folds", "3"], ["train", "a.yaml", "--folds", "3"]),
    ],
)
def test_flags_in_their_way_become_overrides(words: list[str], expected: list[str]) -> None:
    assert as_overrides(words) == expected


def test_flags_of_our_own_are_no_keys_of_theirs() -> None:
    import argparse

    from kamerton.cli import check_verb, train_verb

    parser = argparse.ArgumentParser(conflict_handler="resolve")
    check_verb.add_arguments(parser)
    train_verb.add_arguments(parser)
    flags = {flag.removeprefix("--").replace("-", "_") for flag in parser._option_string_actions}
    assert {"resume", "explain"} <= flags
    assert not (flags | {"json"}) & set(KEYS)
    assert as_overrides(["train", "a", "--debug"]) == ["train", "a", "--debug"]


def test_named_templates_are_theirs() -> None:
    assert set(get_args(TemplateName)) - {"tokenizer", "plain"} <= TEMPLATES


def test_a_default_system_is_none_of_the_template() -> None:
    source = read(BARE.format("sft"), "default_system=''")
    assert source.recipe.data.system is None
    assert source.translation is not None
    (told,) = (each for each in source.translation.told if each.key == "default_system")
    assert "usual system turn of a template stays" in told.otherwise[0]
    texts = read(BARE.format("pt"), "default_system=Hello")
    assert texts.recipe.data.system is None


def others(stage: str, *overrides: str) -> dict[str, tuple[str, ...]]:
    """Where Kamerton behaves otherwise, by key."""
    translation = read(BARE.format(stage) + "cutoff_len: 64\ntemplate: llama3\n", *overrides).translation
    assert translation is not None
    return {each.key: each.otherwise for each in translation.told}


def test_texts_are_told_apart_from_conversations() -> None:
    packed, apart = others("pt"), others("pt", "packing=false")
    assert packed["cutoff_len"] == apart["cutoff_len"] == ()
    assert "parted at cutoff_len" in packed["stage"][0]
    assert not any("parted at cutoff_len" in sentence for sentence in apart["stage"])
    assert all("it ends with <|end_of_text|>" in found["stage"][-1] for found in (packed, apart))
    assert "it ends with the tokenizer's end token" in others("pt", "template=qwen3")["stage"][-1]
    assert "in proportion" in others("sft")["cutoff_len"][0]


def test_what_a_template_writes_behind_an_answer_is_told() -> None:
    for template in ("chatml", "qwen3"):
        assert any("up to its end token" in sentence for sentence in others("sft", f"template={template}")["template"])
    assert not any("end token" in each for each in others("sft", "train_on_prompt=true")["template"])
    assert others("pt")["template"] == ()


def test_of_two_keys_for_one_value_the_one_that_counts_is_told() -> None:
    steps = told(read(BARE.format("sft"), "warmup_steps=100", "warmup_ratio=0.1"))
    assert steps["warmup_ratio"] == "training.warmup_steps: 0.1"
    assert "warmup_ratio counts where it is given" in steps["warmup_steps"]
    numbers = told(read(BARE.format("sft"), "bf16=true", "fp16=true"))
    assert numbers["bf16"] == "training.compute.precision: bf16"
    assert "bf16 counts where both are given" in numbers["fp16"]


def test_a_set_that_stands_whole_in_the_training_rows_fails() -> None:
    check = read(BARE.format("sft")).recipe.data.check
    assert (check.max_truncated, check.max_masked) == (1.0, 1.0)
    assert check.max_contaminated < 1.0


ANY = st.none() | st.booleans() | st.integers(-3, 3000) | st.floats() | st.text(max_size=8)
VALUES = ANY | st.lists(ANY, max_size=3) | st.dictionaries(st.text(max_size=4), ANY, max_size=2)


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from(sorted(KEYS)), VALUES, max_size=6))
def test_no_value_breaks_the_translation(keys: dict[str, Any]) -> None:
    """Each is taken, or refused with a sentence."""
    text = yaml.safe_dump({"model_name_or_path": "tiny-pl", "dataset": "rows", "do_train": True} | keys)
    with contextlib.suppress(RecipeError):
        source = read(text, *(["stage=sft"] if "stage" not in keys else []))
        assert source.translation is not None
        assert set(keys) <= {each.key for each in source.translation.told}
