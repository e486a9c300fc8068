"""What a method cannot go together with, and what has no effect beside it."""

from __future__ import annotations

from kamerton.recipe.method import AdapterMethod, FreezeMethod, FullMethod, Ia3Method, LoraMethod, Method, VirtualMethod
from kamerton.recipe.model import ModelSection
from kamerton.recipe.training import TrainingSection

__all__ = ["method_faults", "method_warnings"]


def method_faults(model: ModelSection, method: Method, training: TrainingSection) -> list[str]:
    """Why these sections cannot be trained together, with the nearest way; empty where they can."""
    kind = f"method.kind: {method.kind}"
    faults = []
    quantized = model.quantization not in (None, "none")
    if model.architecture is not None:
        if not isinstance(method, FullMethod):
            faults.append("model.architecture starts from random weights: method.kind must be full")
        elif quantized:
            faults.append("model.architecture starts from random weights, which move: leave model.quantization out")
    elif quantized:
        faults += _quantized(model, method)
    if method.kind == "qlora" and model.quantization == "none":
        faults.append(f"{kind} trains on a quantised base: leave model.quantization out, or set method.kind: lora")
    if method.kind == "prefix" and training.compute.gradient_checkpointing:
        faults.append(
            f"training.compute.gradient_checkpointing drops the keys and values that {kind} learns: "
            "set it to false, or take method.kind: prompt"
        )
    return faults


def _quantized(model: ModelSection, method: Method) -> list[str]:
    quantization = f"model.quantization: {model.quantization}"
    if isinstance(method, FullMethod | FreezeMethod):
        return [
            f"{quantization} stores the weights that method.kind: {method.kind} moves, and integers cannot be moved: "
            "take method.kind: qlora, or leave model.quantization out"
        ]
    faults = []
    if isinstance(method, LoraMethod) and method.init == "pissa":
        faults.append(
            f"method.init: pissa changes the base, which {quantization} cannot store exactly: take method.init: default"
        )
    if isinstance(method, LoraMethod) and method.dora and model.quantization == "int8":
        faults.append(
            f"method.dora measures the columns of the base, and peft 0.21 loses the scales of {quantization} by that: "
            "take model.quantization: nf4"
        )
    if isinstance(method, AdapterMethod) and (method.new_adapter or len(method.start_from) > 1):
        faults.append(
            f"method.start_from merges adapters into the base, which {quantization} cannot store exactly: "
            "train on one adapter, or leave model.quantization out"
        )
    return faults


def method_warnings(model: ModelSection, method: Method, training: TrainingSection) -> list[str]:
    """Settings that have no effect on this path, or another one than their name says; both names in each sentence."""
    kind = f"method.kind: {method.kind}"
    told = []
    decay = training.optimizer.weight_decay
    if isinstance(method, VirtualMethod):
        if training.compute.packing:
            told.append(f"training.compute.packing has no effect with {kind}: each sequence needs its virtual tokens")
        if decay:
            told.append(f"training.optimizer.weight_decay pulls the virtual tokens of {kind} towards nothing")
    if isinstance(method, Ia3Method) and decay:
        told.append(f"training.optimizer.weight_decay pulls the factors of {kind} towards 0, and they begin at 1")
    if isinstance(method, LoraMethod) and decay and method.dora:
        told.append("training.optimizer.weight_decay pulls the column lengths of method.dora towards 0")
    if isinstance(method, AdapterMethod) and method.new_adapter and not method.start_from:
        told.append("method.new_adapter has an effect with method.start_from, or a model.base that was trained here")
    bits = model.quantization or ("nf4" if method.kind == "qlora" else "none")
    if model.double_quantization is not None and bits not in ("nf4", "fp4"):
        told.append(f"model.double_quantization has an effect with 4 bits, not with model.quantization: {bits}")
    if model.quantization == "int8" and training.compute.precision == "fp32":
        told.append(
            "training.compute.precision: fp32 is fp16 on a GPU inside the layers that model.quantization: int8 stores"
        )
    return told
