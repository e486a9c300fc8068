"""Which model, which weights of it move, and what is learned."""

from __future__ import annotations

from typing import Any, Final

from kamerton.recipe.llamafactory.draft import Draft
from kamerton.recipe.llamafactory.fates import Became
from kamerton.recipe.llamafactory.keys import KEYS
from kamerton.recipe.llamafactory.templates import write_template

__all__ = ["scopes", "write_method", "write_model", "write_objective"]

_STAGES: Final = {"pt": "pretrain", "sft": "sft", "rm": "reward", "dpo": "dpo", "kto": "kto"}
_OF_DPO: Final = ("sigmoid", "hinge", "ipo")
_GRPO: Final = "training.objective: grpo, whose rewards are functions"


def scopes(draft: Draft) -> dict[str, bool]:
    """Which conditions of keys hold in this file, by their text."""
    asked = draft.request
    tuning, stage, bits = asked["finetuning_type"], asked["stage"], asked["quantization_bit"]
    return {
        "": True,
        "finetuning_type: lora": tuning == "lora",
        "finetuning_type: freeze": tuning == "freeze",
        "finetuning_type: oft": tuning == "oft",
        "finetuning_type: lora or oft": tuning in ("lora", "oft"),
        "pissa_init": tuning == "lora" and asked["pissa_init"],
        "adapter_name_or_path": bool(asked["adapter_name_or_path"]),
        "quantization_bit": bits is not None,
        "quantization_bit: 4": bits == 4,
        "a stage other than pt": stage != "pt",
        "stage: sft": stage == "sft",
        "stage: dpo": stage == "dpo",
        "stage: kto": stage == "kto",
        "stage: dpo or kto": stage in ("dpo", "kto"),
        "pref_loss: simpo": stage == "dpo" and asked["pref_loss"] == "simpo",
    }


def write_model(draft: Draft) -> None:
    """`model:`"""
    asked = draft.request
    base, revision = asked["model_name_or_path"], asked["model_revision"]
    if base is None:
        asked.refuse("model_name_or_path", "nothing says which model to start from")
    elif revision == "main":
        draft.put("model.base", base, "model_name_or_path")
    else:
        draft.put("model.base", f"{base}@{revision}", "model_name_or_path", "model_revision")
    _write_quantization(draft)
    write_template(draft)


def _write_quantization(draft: Draft) -> None:
    asked = draft.request
    bits, method = asked["quantization_bit"], asked["quantization_method"].lower()
    if bits is None:
        return None
    if method not in ("bnb", "bitsandbytes"):
        return asked.refuse("quantization_method", "bitsandbytes alone is done", "quantization_method: bnb")
    if asked["finetuning_type"] not in ("lora", "oft"):
        return asked.refuse("quantization_bit", "quantised weights cannot move", "finetuning_type: lora")
    if bits == 8:
        draft.put("model.quantization", "int8", "quantization_bit")
    elif bits == 4:
        kind = asked["quantization_type"]
        if kind not in ("nf4", "fp4"):
            return asked.refuse("quantization_type", "not known", "nf4")
        draft.put("model.quantization", kind, "quantization_bit", "quantization_type")
        draft.put("model.double_quantization", asked["double_quantization"], "double_quantization")
    else:
        asked.refuse("quantization_bit", "4 and 8 bits are done", "quantization_bit: 4")
    return None


def write_method(draft: Draft) -> None:
    """`method:`"""
    asked = draft.request
    tuning = asked["finetuning_type"]
    if tuning not in ("lora", "oft", "freeze", "full"):
        return asked.refuse("finetuning_type", "LLaMA-Factory has no such method", "lora, oft, freeze or full")
    quantised = tuning == "lora" and asked["quantization_bit"] is not None
    kind = "qlora" if quantised else tuning
    draft.put("method.kind", kind, "finetuning_type", *(("quantization_bit",) if quantised else ()))
    if tuning in ("lora", "oft"):
        _write_adapter(draft, tuning)
    elif asked["adapter_name_or_path"]:
        asked.refuse("adapter_name_or_path", f"finetuning_type: {tuning} trains no adapter", "finetuning_type: lora")
    if tuning == "freeze":
        modules = asked["freeze_trainable_modules"]
        draft.put("method.modules", "all" if modules == ["all"] else modules, "freeze_trainable_modules")
        draft.put("method.extra_modules", asked["freeze_extra_modules"], "freeze_extra_modules")
    if tuning == "lora":
        _write_lora(draft)
    if tuning == "oft":
        size = "method.blocks" if asked["oft_rank"] else "method.block_size"
        draft.put(size, asked["oft_rank"] or asked["oft_block_size"], "oft_rank", "oft_block_size")
    return None


def _write_adapter(draft: Draft, tuning: str) -> None:
    asked = draft.request
    key = f"{tuning}_target"
    targets = asked[key]
    if tuning == "oft" and asked.asks("lora_target") and not asked.asks("oft_target"):
        key, targets = "lora_target", asked["lora_target"]
    draft.put("method.targets", "all_linear" if targets == ["all"] else targets, key)
    draft.put("method.modules_to_save", asked["additional_target"], "additional_target")
    if asked["adapter_name_or_path"]:
        draft.put("method.start_from", asked["adapter_name_or_path"], "adapter_name_or_path")
        draft.put("method.new_adapter", asked["create_new_adapter"], "create_new_adapter")
    if tuning == "oft" and asked.asks("oft_target"):
        draft.otherwise("oft_target", "LLaMA-Factory 0.9.5 reads lora_target for oft as well, and never this key")


def _write_lora(draft: Draft) -> None:
    asked = draft.request
    alpha = asked["lora_alpha"] or 2.0 * asked["lora_rank"]
    draft.put("method.alpha", alpha, *(("lora_alpha",) if asked["lora_alpha"] else ("lora_rank",)))
    if asked["loraplus_lr_ratio"] is not None:
        draft.put("method.plus_ratio", asked["loraplus_lr_ratio"], "loraplus_lr_ratio")
    if asked["pissa_init"]:
        draft.put("method.init", "pissa", "pissa_init")
        if asked["pissa_iter"] != -1:
            draft.put("method.pissa_iterations", asked["pissa_iter"], "pissa_iter")


def write_objective(draft: Draft) -> None:
    """`training.objective:`"""
    asked = draft.request
    stage, loss = asked["stage"], asked["pref_loss"]
    if stage == "ppo":
        return asked.refuse("stage", "ppo with a reward model is not done", _GRPO)
    if stage not in _STAGES:
        return asked.refuse("stage", "LLaMA-Factory has no such stage", "sft, pt, rm, dpo or kto")
    if stage != "sft" and (asked["train_on_prompt"] or asked["mask_history"]):
        key = "train_on_prompt" if asked["train_on_prompt"] else "mask_history"
        asked.refuse(key, "it belongs to stage: sft", "leave it out")
    if stage == "dpo":
        return _write_preference(draft, loss)
    if stage == "pt":
        return _write_texts(draft)
    draft.put("training.objective.kind", _STAGES[stage], "stage")
    if stage == "sft":
        _write_sft(draft)
    if stage == "kto":
        _copy(draft, "pref_beta", "kto_chosen_weight", "kto_rejected_weight")
        _write_reference(draft)
        if asked["pref_ftx"]:
            asked.refuse("pref_ftx", "kto has no cross-entropy beside it", "stage: dpo")
    return None


def _write_texts(draft: Draft) -> None:
    """Texts end to end; unpacked ones are examples of their own, which is what `sft` makes of texts."""
    asked = draft.request
    if asked["packing"] is False and not asked["neat_packing"]:
        draft.put("training.objective.kind", "sft", "stage", "packing")
        draft.put("training.objective.learn_from", "everything", "stage")
    else:
        draft.put("training.objective.kind", "pretrain", "stage")
        draft.otherwise(
            "stage",
            "texts are parted at cutoff_len over the whole set, and the rest is learned; there the rest of every "
            "preprocessing_batch_size texts is left out",
        )
    draft.otherwise("stage", "a conversation is learned as the whole chat; there its first question alone is the text")
    ends = "<|end_of_text|>" if asked["template"] == "llama3" else "the tokenizer's end token"
    draft.otherwise(
        "stage",
        f"a text begins with the tokenizer's begin token, where it has one, and ends with the model's end token; there "
        f"it ends with {ends}, and begins with one only where the tokenizer adds it by itself",
    )


def _write_sft(draft: Draft) -> None:
    asked = draft.request
    if asked["train_on_prompt"] and asked["mask_history"]:
        return asked.refuse("mask_history", "train_on_prompt says the contrary", "one of the two")
    if asked["train_on_prompt"]:
        draft.put("training.objective.learn_from", "everything", "train_on_prompt")
    elif asked["mask_history"]:
        draft.put("training.objective.learn_from", "last_answer", "mask_history")
    else:
        draft.put("training.objective.learn_from", "answers", "train_on_prompt", "mask_history")
    if asked["use_dft_loss"]:
        draft.put("training.objective.loss", "dft", "use_dft_loss")
    return None


def _write_preference(draft: Draft, loss: str) -> None:
    asked = draft.request
    if loss == "kto_pair":
        return asked.refuse("pref_loss", "pairs are not taken apart for kto", "stage: kto, with rows that are rated")
    if loss not in (*_OF_DPO, "orpo", "simpo"):
        return asked.refuse("pref_loss", "LLaMA-Factory has no such loss", "sigmoid, hinge, ipo, orpo or simpo")
    draft.put("training.objective.kind", "dpo" if loss in _OF_DPO else loss, "stage", "pref_loss")
    _copy(draft, "pref_beta")
    if loss in _OF_DPO:
        draft.put("training.objective.loss", loss, "pref_loss")
        draft.put("training.objective.sft_weight", asked["pref_ftx"], "pref_ftx")
        draft.put("training.objective.label_smoothing", asked["dpo_label_smoothing"], "dpo_label_smoothing")
        _write_reference(draft)
    else:
        if loss == "simpo":
            _copy(draft, "simpo_gamma")
        for key, why in {
            "pref_ftx": "has a cross-entropy of its own" if loss == "orpo" else "has none beside it",
            "dpo_label_smoothing": "smooths no labels",
            "ref_model": "has no reference",
        }.items():
            if asked[key]:
                asked.refuse(key, f"pref_loss: {loss} {why}", "leave it out, or pref_loss: sigmoid")
    return None


def _write_reference(draft: Draft) -> None:
    if draft.request["ref_model"] is not None:
        draft.put("training.objective.reference", draft.request["ref_model"], "ref_model")


def _copy(draft: Draft, *keys: str) -> None:
    """Values of an objective that are taken over as they are."""
    for key in keys:
        fate: Any = KEYS[key].fate
        assert isinstance(fate, Became)
        draft.put(fate.target, draft.request[key], key)
