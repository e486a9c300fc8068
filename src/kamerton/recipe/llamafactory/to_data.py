"""Where the rows come from and how they are parted."""

from __future__ import annotations

from kamerton.recipe.llamafactory.draft import Draft

__all__ = ["write_data"]

_NOT_CHECKED = "LLaMA-Factory has no such bound"
_ALL = 1.0
_NEARLY_ALL = 0.999


def write_data(draft: Draft) -> None:
    """`data:`"""
    asked = draft.request
    _write_sources(draft)
    _write_mix(draft)
    if asked["max_samples"] is not None:
        draft.put("data.max_rows", asked["max_samples"], "max_samples")
    _write_system(draft)
    _write_split(draft)
    _write_bounds(draft)
    if asked["packing"] is not None or asked["neat_packing"]:
        draft.put(
            "training.compute.packing", bool(asked["packing"] or asked["neat_packing"]), "packing", "neat_packing"
        )
    if (asked["packing"] or asked["neat_packing"]) and asked["stage"] == "sft":
        key = "packing" if asked["packing"] else "neat_packing"
        draft.otherwise(
            key,
            "training.batch_size counts rows; LLaMA-Factory counts packed sequences of cutoff_len, so its step learns "
            "from more rows: raise per_device_train_batch_size to match",
        )
        if not asked["neat_packing"]:
            draft.otherwise("packing", "rows of one sequence do not see each other; with packing alone they do there")
    if asked["streaming"]:
        draft.otherwise("streaming", "rows come to disk before the first step: bound them with max_samples")


def _write_sources(draft: Draft) -> None:
    asked = draft.request
    if not asked["dataset"]:
        asked.refuse("dataset", "nothing names the rows to train on")
    for key, target in (("dataset", "data.train"), ("eval_dataset", "data.validation")):
        if asked[key]:
            draft.put(target, [_source(draft, name) for name in asked[key]], key, "dataset_dir")
    draft.otherwise(
        "dataset", "a row that cannot be read stops the check with its line; there it is dropped with a line in the log"
    )
    if asked["stage"] == "kto":
        draft.otherwise("dataset", "a kto_tag that is no truth value is an error; there the row becomes one of sft")


def _source(draft: Draft, name: str) -> str | dict[str, str]:
    folder = draft.request["dataset_dir"]
    if folder == "ONLINE":
        return {"source": f"hf://datasets/{name}", "shape": "alpaca"}
    if folder.startswith("REMOTE:"):
        draft.request.refuse(
            "dataset_dir", "a dataset_info.json of the hub is not read", "download it, and name its folder"
        )
    return f"{folder.rstrip('/') or '/'}/dataset_info.json:{name}"


def _write_system(draft: Draft) -> None:
    system = draft.request["default_system"]
    if system and draft.request["stage"] != "pt":
        draft.put("data.system", system, "default_system")
    elif system == "":
        draft.otherwise(
            "default_system", "rows are as they are; the usual system turn of a template stays, if it has one"
        )


def _write_mix(draft: Draft) -> None:
    """Which sets are seen how often; LLaMA-Factory's probabilities need the sizes of the sets to become weights."""
    asked = draft.request
    strategy, sets = asked["mix_strategy"], asked["dataset"]
    known = ("concat", "interleave_under", "interleave_over", "interleave_once")
    if strategy not in known:
        return asked.refuse("mix_strategy", "LLaMA-Factory has no such strategy", ", ".join(known))
    if strategy in ("interleave_under", "interleave_over") and len(sets) > 1:
        return asked.refuse(
            "mix_strategy",
            "sets are mixed by weights of their rows, and not by drawing until one is empty",
            "mix_strategy: concat, with data.mix.temperature=100 for equal shares or weights in data.train",
        )
    if asked["interleave_probs"] is not None and strategy == "concat":
        return asked.refuse("interleave_probs", "mix_strategy: concat draws nothing", "leave it out")
    if strategy == "interleave_once":
        key = "mix_strategy" if asked["interleave_probs"] is None else "interleave_probs"
        draft.otherwise(key, "the order is a shuffle of all rows, whatever set they are from")
    return None


def _write_split(draft: Draft) -> None:
    asked = draft.request
    size = asked["val_size"]
    if size < 0:
        asked.refuse("val_size", "must be a share below 1 or a number of rows")
    if size and asked["eval_dataset"]:
        asked.refuse("val_size", "eval_dataset is the validation part already", "one of the two")
    whole = int(size) if size >= 1 else float(size)
    draft.put("data.split.validation", whole, "val_size")
    draft.put("data.split.test", 0.0, note="LLaMA-Factory holds out no test part")
    draft.put("data.split.seed", asked["seed"], "seed")
    if size:
        draft.otherwise(
            "val_size",
            "rows that are alike stay on one side (data.split.by: near_duplicates); there rows are drawn one by one, "
            "so that a copy of a training row can be validation",
        )
        if size >= 1 and size != int(size):
            draft.otherwise("val_size", f"{size} rows are {int(size)}")
    elif not asked["eval_dataset"]:
        draft.notices.append("no row is held out (val_size 0, no eval_dataset): nothing is measured while training")
    draft.notices.append("there is no test part to evaluate on: add data.split.test=0.1, or data.test=[FILE]")


def _write_bounds(draft: Draft) -> None:
    """LLaMA-Factory trains on whatever it can read, and on repeated rows as often as they come."""
    draft.put("data.clean.exact_duplicates", "report", note="LLaMA-Factory trains on repeated rows")
    draft.put("data.check.min_train_rows", 1, note=_NOT_CHECKED)
    draft.put("data.check.min_test_rows", 0, note=_NOT_CHECKED)
    draft.put("data.check.max_truncated", _ALL, note=_NOT_CHECKED)
    draft.put("data.check.max_masked", _ALL, note=_NOT_CHECKED)
    draft.put("data.check.max_contaminated", _NEARLY_ALL, note=f"{_NOT_CHECKED}; a set learned whole measures nothing")
    if draft.request["stage"] != "pt":
        draft.otherwise(
            "cutoff_len", "the end of a long row is cut; there prompt and answer are cut in proportion to their lengths"
        )
