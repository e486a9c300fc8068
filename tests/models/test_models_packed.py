"""Sequences that stand end to end give what they give alone."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny_networks import FAMILIES, SEQUENCES, furthest, gradients, tiny

from kamerton.chat import IGNORED
from kamerton.ground.errors import RecipeError
from kamerton.models.packed import GRID, PACKED, pack, pad


def own_logits(model: Any, sequences: list[list[int]]) -> torch.Tensor:
    """Logits of each sequence run alone with the model's own attention, end to end."""
    model.set_attn_implementation("sdpa" if model._supports_sdpa else "eager")
    return torch.cat([model(input_ids=torch.tensor([ids]), use_cache=False).logits[0] for ids in sequences])


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_and_alone_give_the_same_loss_and_gradients(family: str) -> None:
    model = tiny(family)
    batch = pack(SEQUENCES)
    alone = own_logits(model, SEQUENCES)
    loss = torch.nn.functional.cross_entropy(alone, batch.targets[: len(alone)], reduction="sum")
    loss.backward()
    wanted = gradients(model)
    model.set_attn_implementation(PACKED)
    packed = model(**batch.inputs).logits[0]
    again = torch.nn.functional.cross_entropy(packed, batch.targets, reduction="sum")
    again.backward()
    assert float(again.detach()) == pytest.approx(float(loss.detach()), rel=1e-5)
    assert furthest(gradients(model), wanted) < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_padded_without_a_mask_gives_what_each_sequence_gives_alone(family: str) -> None:
    model = tiny(family)
    alone = own_logits(model, SEQUENCES)
    batch = pad(SEQUENCES, filler=60)
    padded = model(**batch.inputs).logits.flatten(0, 1)
    learned = pack(SEQUENCES).targets[: len(alone)] != IGNORED
    assert torch.allclose(padded[batch.targets != IGNORED], alone[learned], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_neighbours_tokens_change_no_bit(dtype: torch.dtype) -> None:
    model = tiny().to(dtype)
    model.set_attn_implementation(PACKED)
    others = [*SEQUENCES[:2], [9 + token for token in SEQUENCES[2]], SEQUENCES[3]]
    first, second = (pack(sequences) for sequences in (SEQUENCES, others))
    one, two = (model(**batch.inputs).logits[0] for batch in (first, second))
    same = first.sequence != 2
    assert torch.equal(one[same], two[same])
    assert not torch.equal(one[~same], two[~same])


def test_a_neighbours_tokens_change_no_bit_of_a_gradient() -> None:
    model = tiny().to(torch.bfloat16)
    model.set_attn_implementation(PACKED)
    grads = []
    for third in (SEQUENCES[2], [9 + token for token in SEQUENCES[2]]):
        batch = pack([*SEQUENCES[:2], third, SEQUENCES[3]])
        embedded = model.get_input_embeddings()(batch.inputs.pop("input_ids")).detach().requires_grad_()
        model(inputs_embeds=embedded, **batch.inputs).logits[0, batch.sequence != 2].square().sum().backward()
        assert embedded.grad is not None
        assert not embedded.grad[0, batch.sequence == 2].any()
        grads.append(embedded.grad[0, batch.sequence != 2])
    assert torch.equal(*grads)


def test_long_sequences_in_bf16_stay_close_to_fp32() -> None:
    """Beyond the length at which the kernel changes its precision."""
    model = tiny(max_position_embeddings=1024)
    model.set_attn_implementation(PACKED)
    long = [[(place * 7) % 50 + 3 for place in range(600)], [5, 6, 7]]
    with torch.no_grad():
        exact = model(**pack(long).inputs).logits[0]
        rough = model.to(torch.bfloat16)(**pack(long).inputs).logits[0]
    assert float((exact - rough).abs().max() / exact.abs().max()) < 0.1


def test_attention_that_drops_out_draws_for_every_sequence() -> None:
    model = tiny(attention_dropout=0.5)
    model.set_attn_implementation(PACKED)
    torch.manual_seed(1)
    first = model(**pack(SEQUENCES).inputs).logits
    torch.manual_seed(1)
    assert torch.equal(model(**pack(SEQUENCES).inputs).logits, first)
    assert not torch.equal(model(**pack(SEQUENCES).inputs).logits, first)


@pytest.mark.parametrize("family", ["llama", "gemma2", "mistral"])
def test_generation_with_padding_and_cache_is_the_models_own(family: str) -> None:
    model = tiny(family).eval()
    ids, mask = torch.tensor([SEQUENCES[0], [0, 0, 4, 5, 6, 7, 8]]), torch.tensor([[1] * 7, [0, 0, 1, 1, 1, 1, 1]])
    own_logits(model, SEQUENCES)  # takes the model's own attention
    options = {"attention_mask": mask, "max_new_tokens": 5, "do_sample": False}
    own = model.generate(ids, **options)
    model.set_attn_implementation(PACKED)
    assert torch.equal(model.generate(ids, **options), own)


def test_gradient_checkpointing_changes_no_bit() -> None:
    model = tiny()
    model.set_attn_implementation(PACKED)
    batch = pack(SEQUENCES)
    model(**batch.inputs).logits.square().sum().backward()
    wanted = gradients(model)
    model.activation_checkpointing_enable({"use_reentrant": False})
    model(**batch.inputs).logits.square().sum().backward()
    found = gradients(model)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_what_the_attention_does_not_know_is_refused_by_name() -> None:
    model = tiny()
    model.set_attn_implementation(PACKED)
    inputs = pack(SEQUENCES).inputs
    tokens = inputs["input_ids"].shape[1]
    with pytest.raises(RecipeError, match="a mask of the model's own"):
        model(**inputs, attention_mask=torch.zeros(1, 1, tokens, tokens))
    for module in model.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = False
    with pytest.raises(RecipeError, match="not causal"):
        model(**inputs)


def test_targets_are_the_next_labels_of_the_same_sequence() -> None:
    labels = [[IGNORED, 3, 9], [4], [IGNORED, IGNORED]]
    batch = pack([[7, 3, 9], [4], [1, 2]], [np.array(each, dtype=np.int32) for each in labels])
    assert batch.targets.tolist() == [3, 9] + [IGNORED] * (GRID - 2)
    assert batch.sequence.tolist() == [0, 0, 0, 1, 2, 2] + [3] * (GRID - 6)
    assert batch.inputs["position_ids"].tolist() == [[0, 1, 2, 0, 0, 1, *range(GRID - 6)]]
    assert batch.inputs["cu_seq_lens_q"].tolist() == [0, 3, 4, 6, GRID]
    padded = pad([[7, 3, 9], [4], [1, 2]], 0, labels)
    assert padded.targets.tolist() == [3, 9] + [IGNORED] * 46
    assert padded.inputs["input_ids"][:, :4].tolist() == [[7, 3, 9, 0], [4, 0, 0, 0], [1, 2, 0, 0]]


def test_rows_have_few_lengths() -> None:
    for lengths in ([GRID], [GRID - 1, 1], [GRID + 1], [GRID, 27, 1]):
        batch = pack([[1] * length for length in lengths])
        filled = sum(lengths) % GRID > 0
        assert batch.inputs["input_ids"].shape == (1, GRID * (sum(lengths) // GRID + filled))
        assert len(batch.inputs["cu_seq_lens_q"]) == len(lengths) + 1 + filled


@pytest.mark.parametrize("sequences", [[], [[]], [[1], []]])
def test_a_batch_without_tokens_is_our_own_mistake(sequences: list[list[int]]) -> None:
    with pytest.raises(AssertionError):
        pack(sequences)
