"""LLaMA-Factory's chat templates by name; the tokenizer's own template is the authority here."""

from __future__ import annotations

import difflib
from typing import Final

from kamerton.recipe.llamafactory.draft import Draft

__all__ = ["TEMPLATES", "write_template"]

_NAMES: Final = """
    aeva alpaca bailing bailing_v2 breeze chatglm3 chatml chatml_de cohere cpm4 dbrx deepseek deepseek3 deepseekcoder
    deepseekr1 default dots_ocr empty ernie ernie_nothink ernie_vl exaone falcon falcon_h1 fewshot gemma gemma2 gemma3
    gemma3n gemma4 gemma4n glm4 glm4_5v glm4_7 glm4_moe glm4v glm_ocr glmz1 gpt_oss granite3 granite3_vision granite4
    hunyuan hunyuan_small hy3 index intern2 intern_s1 intern_vl keye_vl kimi_vl lfm2 lfm2_vl llama2 llama2_zh llama3
    llama4 llava llava_next llava_next_llama3 llava_next_mistral llava_next_qwen llava_next_video
    llava_next_video_mistral llava_next_video_yi llava_next_yi mimo mimo_v2 mimo_vl minicpm_o minicpm_v minicpm_v_4_6
    minimax1 minimax2 ministral ministral3 mistral mistral_small mllama moonlight olmo openchat openchat-3.6 opencoder
    paligemma paligemma_chat phi phi4 phi4_mini phi_small pixtral qwen qwen2_audio qwen2_omni qwen2_vl qwen3 qwen3_5
    qwen3_5_nothink qwen3_6 qwen3_nothink qwen3_omni qwen3_omni_nothink qwen3_vl qwen3_vl_nothink sailor seed_coder
    seed_oss smollm smollm2 solar starchat telechat2 vicuna video_llava xuanyuan yi yi_vl youtu youtu_vl yuan zephyr
    """
TEMPLATES: Final = frozenset(_NAMES.split())
"""Of LLaMA-Factory 0.9.5."""


def write_template(draft: Draft) -> None:
    """`model.chat_template:`"""
    asked = draft.request
    name = asked["template"]
    if name is not None and name not in TEMPLATES:
        near = difflib.get_close_matches(name, TEMPLATES, 1)
        return asked.refuse("template", "LLaMA-Factory has no such template", near[0] if near else "leave it out")
    if asked["stage"] == "pt":
        return None
    if name is not None and not asked["train_on_prompt"]:
        draft.otherwise(
            "template",
            "an answer is learned up to its end token; there what the template writes behind it, such as a newline, "
            "is learned too",
        )
    if name == "chatml":
        return draft.put("model.chat_template", "chatml", "template")
    draft.put("model.chat_template", "tokenizer", "template")
    if name is not None:
        draft.otherwise(
            "template",
            f"the tokenizer's own template is written where it has one, so that training sees what serving sees; "
            f"LLaMA-Factory writes its {name}, which may differ in system turn, tools and thinking",
        )
    for key in ("tool_format", "enable_thinking", "preserve_thinking"):
        if asked.asks(key):
            draft.otherwise(key, "the template is rendered with its own defaults")
    return None
