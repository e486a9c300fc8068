"""Keys of LLaMA-Factory about the data, and about generation and its own evaluation."""

from __future__ import annotations

from typing import Final

from kamerton.recipe.llamafactory.fates import Key, became, equal, refused

__all__ = ["DATA_KEYS"]

_TEMPLATE = "a matter of the tokenizer's own template, which is the authority here"
_GENERATION = "kamerton evaluate and kamerton generate have settings of their own; it has no effect on training"
_EVALUATION = ("LLaMA-Factory's eval command is not run", "kamerton evaluate MODEL --on SET")

_DATA: Final = {
    "template": became(
        None,
        "model.chat_template",
        kind="text",
        how="chatml is written as it is; all others where the tokenizer brings no template of its own",
        scope="a stage other than pt",
    ),
    "dataset": became(None, "data.train", kind="names", how="entries of dataset_dir/dataset_info.json"),
    "eval_dataset": became(None, "data.validation", kind="names", how="entries of dataset_dir/dataset_info.json"),
    "dataset_dir": became("data", "data.train", how="the folder of dataset_info.json; ONLINE names sets of the hub"),
    "media_dir": refused(
        None,
        "Kamerton trains on text alone",
        "leave it out; for images, videos and sound stay with LLaMA-Factory",
        kind="text",
    ),
    "cutoff_len": became(2048, "training.max_length"),
    "train_on_prompt": became(False, "training.objective.learn_from", how="true learns from everything"),
    "mask_history": became(False, "training.objective.learn_from", how="true learns from the last answer"),
    "streaming": equal(False, "all rows are read before the first step and kept as an immutable version"),
    "buffer_size": equal(16384, "rows are shuffled over the whole set, and not within a buffer"),
    "mix_strategy": became("concat", "data.train", how="concat and interleave_once show each row once an epoch"),
    "interleave_probs": became(None, "data.train", kind="any", how="with interleave_once they say the order alone"),
    "overwrite_cache": equal(False, "caches are named by the content that they were made from"),
    "preprocessing_batch_size": equal(1000, "it does not change the rows"),
    "preprocessing_num_workers": equal(None, "it does not change the rows", kind="int"),
    "max_samples": became(None, "data.max_rows", kind="int"),
    "eval_num_beams": equal(None, _GENERATION, kind="int"),
    "ignore_pad_token_for_loss": equal(True, "padding is never learned"),
    "val_size": became(0.0, "data.split.validation", how="a share below 1, else a number of rows"),
    "eval_on_each_dataset": equal(
        False, "the validation part is measured as one; evaluation.sets has sets of their own"
    ),
    "packing": became(None, "training.compute.packing", kind="bool", how="packed sequences never see each other"),
    "neat_packing": became(False, "training.compute.packing", how="this is what packing is here"),
    "tool_format": equal(None, _TEMPLATE, kind="text"),
    "default_system": became(
        None,
        "data.system",
        kind="text",
        how="the system turn of rows that have none",
        scope="a stage other than pt",
    ),
    "enable_thinking": equal(True, _TEMPLATE, kind="bool"),
    "preserve_thinking": equal(False, _TEMPLATE),
    "tokenized_path": refused(
        None,
        "tokens of unknown origin are not learned from",
        "name the rows by dataset; their tokens are kept in a cache named by data, tokenizer and template",
        kind="text",
    ),
    "data_shared_file_system": equal(False, "the first process reads the rows for all"),
}

_GENERATING: Final = {
    name: equal(default, _GENERATION)
    for name, default in {
        "do_sample": True,
        "temperature": 0.95,
        "top_p": 0.7,
        "top_k": 50,
        "num_beams": 1,
        "max_length": 1024,
        "max_new_tokens": 1024,
        "repetition_penalty": 1.0,
        "length_penalty": 1.0,
        "skip_special_tokens": True,
    }.items()
}

_EVALUATING: Final = {
    "task": refused(None, *_EVALUATION, kind="text"),
    "task_dir": refused("evaluation", *_EVALUATION),
    "batch_size": refused(4, *_EVALUATION),
    "lang": refused("en", *_EVALUATION),
    "n_shot": refused(5, *_EVALUATION),
    "save_dir": refused(None, *_EVALUATION, kind="text"),
    "download_mode": refused("reuse_dataset_if_exists", *_EVALUATION),
}

DATA_KEYS: Final[dict[str, Key]] = {**_DATA, **_GENERATING, **_EVALUATING}
