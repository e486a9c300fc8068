"""Keys of LLaMA-Factory about the model: where it comes from, how it is stored, how it runs."""

from __future__ import annotations

from typing import Final

from kamerton.recipe.llamafactory.fates import Key, became, equal, off_with, refused

__all__ = ["MODEL_KEYS"]

_TOKENS = ("tokens are not added to a vocabulary", "start from a base whose tokenizer has them")
_TEXT = ("Kamerton trains on text alone", "leave it out; for images, videos and sound stay with LLaMA-Factory")
_KT = ("KTransformers is not used", "method.kind: qlora takes the least memory here")
_PRIVATE = "a run records the file it was started from, and secrets do not belong there"
_GENERATION = "a matter of generation: it has no effect on training, there or here"
_EXPORT = "of the export, and has no effect on training, there or here"
_SPEED = "a matter of speed and not of what is learned; the check chooses kernels and says which"

_BASE: Final = {
    "model_name_or_path": became(None, "model.base", kind="text", how="with model_revision"),
    "adapter_name_or_path": became(
        None, "method.start_from", kind="names", how="the last is trained on, those before it are merged"
    ),
    "adapter_folder": refused(
        None, "adapters are named by their own folder", "write the folder behind adapter_name_or_path", kind="text"
    ),
    "cache_dir": equal(None, "set HF_HUB_CACHE to this folder: it says where files of the hub are kept", kind="text"),
    "use_fast_tokenizer": refused(True, "tokenizers without a tokenizer.json are not read", "use_fast_tokenizer: true"),
    "resize_vocab": refused(False, *_TOKENS),
    "split_special_tokens": equal(
        False, "control tokens inside a row's text are always split: only the template writes them"
    ),
    "add_tokens": refused(None, *_TOKENS, kind="names"),
    "add_special_tokens": refused(None, *_TOKENS, kind="names"),
    "new_special_tokens_config": refused(None, *_TOKENS, kind="text"),
    "init_special_tokens": equal("noise_init", "has an effect with add_special_tokens only, which is not done here"),
    "model_revision": became("main", "model.base", how="as model_name_or_path@revision"),
    "low_cpu_mem_usage": equal(True, "weights are always read straight from their file"),
    "rope_scaling": refused(
        None, "the positions are those of the base", "a base whose config.json has the scaling", kind="text"
    ),
    "flash_attn": equal("auto", _SPEED),
    "shift_attn": refused(False, "shifted sparse attention is not done", "a smaller cutoff_len"),
    "mixture_of_depths": refused(None, "mixture of depths is not done", "finetuning_type: freeze", kind="text"),
    "use_unsloth": equal(False, _SPEED),
    "use_unsloth_gc": equal(False, _SPEED),
    "enable_liger_kernel": equal(False, _SPEED),
    "use_v1_kernels": equal(False, _SPEED),
    "moe_aux_loss_coef": refused(
        None,
        "the router's auxiliary loss is not added",
        "finetuning_type: lora, which leaves the router alone",
        kind="float",
    ),
    "disable_gradient_checkpointing": became(
        False,
        "training.compute.gradient_checkpointing",
        how="true switches it off; false leaves it to the check, which takes it where memory needs it",
    ),
    "use_reentrant_gc": equal(True, "activations that are computed again are the same either way"),
    "upcast_layernorm": equal(False, "norms are computed in fp32 anyway"),
    "upcast_lmhead_output": equal(False, "the loss is computed in fp32, a part of the logits at a time"),
    "train_from_scratch": refused(
        False, "random weights need their shape", "a recipe with model.architecture and training.objective: pretrain"
    ),
    "infer_backend": equal("huggingface", _GENERATION),
    "offload_folder": equal("offload", _GENERATION),
    "use_kv_cache": equal(True, _GENERATION),
    "infer_dtype": equal("auto", _GENERATION),
    "hf_hub_token": refused(None, _PRIVATE, "the environment variable HF_TOKEN", kind="text"),
    "ms_hub_token": refused(None, _PRIVATE, "a folder with the files: ModelScope's hub is not read", kind="text"),
    "om_hub_token": refused(None, _PRIVATE, "a folder with the files: the Modelers hub is not read", kind="text"),
    "print_param_status": equal(False, "kamerton check says how many parameters move"),
    "trust_remote_code": equal(
        False, "no code of a model's author is ever run; a base that needs it is refused when it is loaded"
    ),
}

_QUANTIZATION: Final = {
    "quantization_method": became(
        "bnb", "model.quantization", how="bnb (bitsandbytes) alone is done", scope="quantization_bit"
    ),
    "quantization_bit": became(None, "model.quantization", kind="int", how="4 is nf4 or fp4, 8 is int8"),
    "quantization_type": became("nf4", "model.quantization", how="for 4 bits", scope="quantization_bit: 4"),
    "double_quantization": became(True, "model.double_quantization", how="for 4 bits", scope="quantization_bit: 4"),
    "quantization_device_map": refused(
        None, "one process has the whole base", "leave it out, as LLaMA-Factory's training asks too", kind="text"
    ),
}

_PROCESSOR: Final = {
    name: refused(default, *_TEXT)
    for name, default in {
        "image_max_pixels": 768 * 768,
        "image_min_pixels": 32 * 32,
        "image_do_pan_and_scan": False,
        "crop_to_patches": False,
        "video_max_pixels": 256 * 256,
        "video_min_pixels": 16 * 16,
        "video_fps": 2.0,
        "video_maxlen": 128,
        "use_audio_in_video": False,
        "audio_sampling_rate": 16000,
    }.items()
}

_EXPORTING: Final = {
    name: equal(default, _EXPORT)
    for name, default in {
        "export_dir": None,
        "export_size": 5,
        "export_device": "cpu",
        "export_quantization_bit": None,
        "export_quantization_dataset": None,
        "export_quantization_nsamples": 128,
        "export_quantization_maxlen": 1024,
        "export_legacy_format": False,
        "export_hub_model_id": None,
    }.items()
}

_ENGINES: Final = {
    name: equal(default, _GENERATION)
    for name, default in {
        "vllm_maxlen": 4096,
        "vllm_gpu_util": 0.7,
        "vllm_enforce_eager": False,
        "vllm_max_lora_rank": 32,
        "vllm_config": None,
        "sglang_maxlen": 4096,
        "sglang_mem_fraction": 0.7,
        "sglang_tp_size": -1,
        "sglang_config": None,
        "sglang_lora_backend": "triton",
    }.items()
}

_KTRANSFORMERS: Final = {
    "use_kt": refused(False, *_KT),
    **off_with(
        "use_kt",
        kt_cpu_activation=None,
        kt_weight_path=None,
        kt_non_expert_weight_path=None,
        kt_expert_checkpoint_path=None,
        kt_use_lora_experts=None,
        kt_lora_expert_num=None,
        kt_lora_expert_intermediate_size=None,
    ),
}

MODEL_KEYS: Final[dict[str, Key]] = {
    **_BASE,
    **_QUANTIZATION,
    **_PROCESSOR,
    **_EXPORTING,
    **_ENGINES,
    **_KTRANSFORMERS,
}
