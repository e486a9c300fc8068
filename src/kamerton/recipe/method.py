"""`method:` which weights move."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from kamerton.recipe.base import Section

__all__ = [
    "AdapterMethod",
    "FreezeMethod",
    "FullMethod",
    "Ia3Method",
    "LoraMethod",
    "Method",
    "OftMethod",
    "PTuningMethod",
    "PrefixMethod",
    "PromptMethod",
    "VirtualMethod",
]

Names = Annotated[list[str], Field(min_length=1)]
Dropout = Annotated[float, Field(ge=0.0, lt=1.0)]


class FullMethod(Section):
    """Every weight moves."""

    kind: Literal["full"]
    """Every weight of the model moves."""
    save_precision: Literal["fp32", "bf16"] = "fp32"
    """How the finished weights are stored: `fp32` is what was trained, `bf16` is half as large and rounded."""


class FreezeMethod(Section):
    """Some layers move, all else stays (as `finetuning_type: freeze` of LLaMA-Factory)."""

    kind: Literal["freeze"]
    """Some of the model's own weights move."""
    layers: int = 2
    """How many decoder layers move: the last n, or with a minus the first n. 0 moves `extra_modules` alone."""
    modules: Names | Literal["all"] = "all"
    """Parts of those layers that move, such as `[self_attn]`; `all` moves them whole."""
    extra_modules: list[str] = []
    """Modules outside the layers that move too, such as `[embed_tokens, norm, lm_head]`."""

    @model_validator(mode="after")
    def _something_moves(self) -> FreezeMethod:
        if not self.layers and not self.extra_modules:
            raise ValueError("layers: 0 without extra_modules moves nothing")
        return self


class AdapterMethod(Section):
    """What the methods share that put small weights into the layers of a frozen base."""

    targets: Names | Literal["all_linear"] = "all_linear"
    """Linear layers that get an adapter, by the end of their names (`q_proj`, `self_attn.q_proj`); `all_linear` is
    every one but the output head."""
    modules_to_save: list[str] = []
    """Modules that move whole beside the adapter and are saved with it, such as `[embed_tokens, lm_head]`."""
    start_from: list[str] = []
    """Folders of adapters that the base already has: the last one is trained on, those before it are merged into the
    base."""
    new_adapter: bool = False
    """Merge all of `start_from` into the base and train a new adapter."""


class LoraMethod(AdapterMethod):
    """Low-rank adapters beside frozen weights (Hu et al., arXiv 2106.09685)."""

    kind: Literal["lora", "qlora", "dora"] = "lora"
    """Adapters move, the base stays as it is. `qlora` is lora on a base in nf4, unless `model.quantization` says
    otherwise (Dettmers et al., 2305.14314); `dora` is lora with `dora: true`."""
    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    """Inner width of each adapter."""
    alpha: Annotated[float, Field(gt=0)] | None = None
    """The adapter's output is scaled by alpha / rank; None means 2 x rank."""
    dropout: Dropout = 0.0
    """Probability that an adapter input is dropped while training."""
    rslora: bool = False
    """Scale by alpha / sqrt(rank), so that a high rank learns as fast as a low one (Kalajdzievski, 2312.03732)."""
    dora: bool = False
    """Learn the length of each weight column apart from its direction (Liu et al., 2402.09353)."""
    init: Literal["default", "gaussian", "pissa"] = "default"
    """First weights: `default` and `gaussian` begin as the base; `pissa` takes the largest singular vectors of each
    weight and leaves the rest in the frozen base (Meng et al., 2404.02948)."""
    pissa_iterations: Annotated[int, Field(ge=1)] | None = None
    """Subspace iterations of a fast decomposition, which draws random numbers; None takes the exact one."""
    plus_ratio: Annotated[float, Field(ge=1)] = 1.0
    """LoRA+: the matrices B learn at this multiple of `training.learning_rate` (Hayou et al., 2402.12354; 16 there)."""

    @model_validator(mode="after")
    def _settings_agree(self) -> LoraMethod:
        if self.pissa_iterations is not None and self.init != "pissa":
            raise ValueError("pissa_iterations has an effect with init: pissa only")
        if self.init == "pissa" and self.dora:
            raise ValueError("init: pissa changes the base that dora measures the columns of: choose one of them")
        if self.init != "default" and self.start_from and not self.new_adapter:
            raise ValueError(f"init: {self.init} is for a new adapter: set new_adapter: true, or leave start_from out")
        return self


class Ia3Method(AdapterMethod):
    """Learned factors for keys, values and the feed-forward's inner activations (Liu et al., arXiv 2205.05638)."""

    kind: Literal["ia3"]
    """One factor for each of those activations moves."""
    targets: Names | Literal["auto"] = "auto"  # type: ignore[assignment]
    """Linear layers that get factors; `auto` knows those of the usual architectures."""
    feedforward: list[str] | Literal["auto"] = "auto"
    """Those of `targets` whose input is scaled, not their output; `auto` with `targets: auto` only."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Ia3Method:
        if (self.targets == "auto") != (self.feedforward == "auto"):
            raise ValueError("targets and feedforward are given both or neither")
        outside = set() if isinstance(self.feedforward, str) else set(self.feedforward) - set(self.targets)
        if outside:
            raise ValueError(f"feedforward names what is not in targets: {', '.join(sorted(outside))}")
        return self


class OftMethod(AdapterMethod):
    """Rotations of the inputs of frozen weights (Qiu et al., arXiv 2306.07280)."""

    kind: Literal["oft"]
    """Block-diagonal rotations move."""
    block_size: Annotated[int, Field(ge=2)] | None = None
    """Width of each block; must divide the inputs of each target. None means 32, unless `blocks` is given."""
    blocks: Annotated[int, Field(ge=1)] | None = None
    """Blocks of each layer, instead of `block_size`."""
    dropout: Dropout = 0.0
    """Probability that a block is left as it is while training."""

    @model_validator(mode="after")
    def _one_of_them(self) -> OftMethod:
        if self.block_size is not None and self.blocks is not None:
            raise ValueError("give one of block_size and blocks")
        return self


class VirtualMethod(Section):
    """What the methods share that put learned tokens before each sequence of a frozen model."""

    virtual_tokens: Annotated[int, Field(ge=1, le=2048)] = 20
    """How many; the model's context is shorter by as many."""


class _FromWords(VirtualMethod):
    init: Literal["vocabulary", "text", "random"] = "vocabulary"
    """First values: those of tokens drawn from the vocabulary, those of `text`, or random ones."""
    text: Annotated[str, Field(min_length=1)] | None = None
    """What the virtual tokens begin as; repeated or cut to their number."""

    @model_validator(mode="after")
    def _text_is_asked_for(self) -> _FromWords:
        if (self.init == "text") != (self.text is not None):
            raise ValueError("init: text and text go together")
        return self


class PromptMethod(_FromWords):
    """Learned token embeddings before each sequence (Lester et al., arXiv 2104.08691)."""

    kind: Literal["prompt"]
    """Embeddings of the virtual tokens move."""


class PrefixMethod(_FromWords):
    """Learned keys and values before each sequence, in every layer (Li & Liang, arXiv 2101.00190)."""

    kind: Literal["prefix"]
    """Keys and values of the virtual tokens move."""
    projection: Annotated[int, Field(ge=1)] | None = None
    """Width of a network that makes the keys and values while training; the finished model has none. None learns them
    directly."""

    @model_validator(mode="after")
    def _projection_begins_random(self) -> PrefixMethod:
        if self.projection is not None and self.init != "random":
            raise ValueError("with projection the network makes the first values: set init: random")
        return self


class PTuningMethod(VirtualMethod):
    """Learned token embeddings that a small network makes while training (Liu et al., arXiv 2103.10385)."""

    kind: Literal["p_tuning"]
    """That network moves; the finished model has its output alone."""
    hidden_size: Annotated[int, Field(ge=1)] | None = None
    """Width of the network; None means that of the model."""


_REFUSED = {
    "bottleneck": "the package for them (adapters 1.3) needs transformers 4.57, and peft has none: take kind: lora",
    "adalora": "its rank follows a schedule of its own beside the training's: take kind: lora with rslora: true",
    "loftq": "its base is changed by an iteration of its own: take kind: qlora",
    "galore": "it is an optimiser, not a choice of weights: take kind: lora, or full with an 8-bit optimiser",
    "badam": "it is an optimiser, not a choice of weights: take kind: freeze, or full with an 8-bit optimiser",
    "llama_pro": "it adds layers to the base: take kind: freeze",
}
_REFUSED |= dict.fromkeys(("houlsby", "pfeiffer", "adapter", "adapters"), _REFUSED["bottleneck"])
_REFUSED |= {"apollo": _REFUSED["galore"], "lomo": _REFUSED["galore"]}


def _spelled_out(value: object) -> object:
    """A section without a kind is lora, and `dora` is lora with its switch on."""
    if not isinstance(value, dict):
        return value
    kind = value.get("kind", "lora")
    if isinstance(kind, str) and kind in _REFUSED:
        raise ValueError(f"kind: {kind} is not done here: {_REFUSED[kind]}")
    if kind == "dora":
        if value.get("dora", True) is not True:
            raise ValueError("kind: dora and dora: false contradict each other")
        return {**value, "kind": "lora", "dora": True}
    return {"kind": "lora", **value}


Method = Annotated[
    Annotated[
        FullMethod | FreezeMethod | LoraMethod | Ia3Method | OftMethod | PromptMethod | PrefixMethod | PTuningMethod,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_spelled_out),
]
