"""Virtual tokens: plain peft computes the same, and who generates and scores need not know of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from method_samples import IDS, logits, method, start, train
from peft import PeftModel

from kamerton.ground.errors import RecipeError, RequestError
from kamerton.models.generate import TransformersGenerator
from kamerton.models.load import load_base
from kamerton.models.methods import load_finished, merged, save_finished, trainable_parameters
from kamerton.models.packed import pack

KINDS = [
    method(kind="prompt", virtual_tokens=5),
    method(kind="prefix", virtual_tokens=5),
    method(kind="prefix", virtual_tokens=5, init="random", projection=8),
    method(kind="p_tuning", virtual_tokens=5),
]
each_kind = pytest.mark.parametrize("chosen", KINDS, ids=["prompt", "prefix", "projection", "p_tuning"])
ASKED: list[Any] = [[{"role": "user", "content": text}] for text in ("Dzień dobry!", "Where is it?", "Tak")]


@each_kind
def test_plain_peft_computes_the_same(lively_base: Path, tmp_path: Path, chosen: Any) -> None:
    loaded = start(lively_base, chosen)
    train(loaded, chosen, steps=2)
    save_finished(loaded, chosen, tmp_path / "model")
    plain: Any = load_base(str(lively_base), tmp_path, device="cpu").model
    peft: Any = PeftModel.from_pretrained(plain, str(tmp_path / "model")).eval()
    with torch.no_grad():
        said = peft(input_ids=IDS).logits[:, -IDS.shape[1] :]
    torch.testing.assert_close(said, logits(loaded), atol=2e-5, rtol=1e-5)
    assert (said - logits(load_base(str(lively_base), tmp_path, device="cpu"))).abs().max() > 0.1


@each_kind
def test_only_the_virtual_tokens_move(lively_base: Path, chosen: Any) -> None:
    loaded = start(lively_base, chosen)
    assert all(name.startswith("virtual_encoder.") for name in trainable_parameters(loaded.model))
    assert loaded.context == 512 - 5


@each_kind
def test_generation_does_not_depend_on_the_batch_or_the_cache(lively_base: Path, tmp_path: Path, chosen: Any) -> None:
    loaded = start(lively_base, chosen)
    train(loaded, chosen, steps=2)
    one, three = TransformersGenerator(loaded, batch_size=1), TransformersGenerator(loaded, batch_size=3)
    assert one.generate(ASKED, 12) == three.generate(ASKED, 12)
    chat = loaded.format
    for asked in ASKED:
        ids = list(chat.prompt_ids(asked))
        for _ in range(6):  # without a cache, token by token
            with torch.no_grad():
                ids.append(int(loaded.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        ends = [place for place, token in enumerate(ids) if token == chat.end_id and place >= len(ids) - 6]
        if not ends:
            with_cache = loaded.model.generate(  # type: ignore[operator]
                torch.tensor([list(chat.prompt_ids(asked))]), max_new_tokens=6, do_sample=False
            )
            assert with_cache[0].tolist() == ids
    answered = [[*asked, {"role": "assistant", "content": "Pokój 12."}] for asked in ASKED]
    assert one.score(answered) == three.score(answered)


def test_words_are_where_virtual_tokens_begin(lively_base: Path) -> None:
    text = "Dzień dobry"
    bare = load_base(str(lively_base), Path(), device="cpu")
    ids = bare.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    with torch.no_grad():
        whole = bare.model(input_ids=torch.cat([torch.tensor([ids]).expand(4, -1), IDS], dim=1)).logits[:, len(ids) :]
    for kind in ("prompt", "prefix"):
        begun = start(lively_base, method(kind=kind, virtual_tokens=len(ids), init="text", text=text))
        torch.testing.assert_close(logits(begun), whole, atol=2e-5, rtol=1e-5)


def test_a_short_text_is_repeated_and_a_long_one_cut(lively_base: Path) -> None:
    def rows(text: str) -> torch.Tensor:
        loaded = start(lively_base, method(kind="prompt", virtual_tokens=6, init="text", text=text))
        return next(iter(trainable_parameters(loaded.model).values())).detach()

    assert torch.equal(rows("a")[0], rows("a")[5])
    assert torch.equal(rows("ab" * 6), rows("ab" * 50))


def test_sequences_end_to_end_cannot_have_virtual_tokens(lively_base: Path) -> None:
    loaded = start(lively_base, KINDS[0])
    with pytest.raises(RecipeError, match="end to end") as caught:
        loaded.model(**pack([[1, 5, 6], [1, 7]]).inputs)
    assert caught.value.where == "training.compute.packing"


def test_they_must_leave_room(lively_base: Path) -> None:
    with pytest.raises(RecipeError, match="leave no room in a context of 512"):
        start(lively_base, method(kind="prompt", virtual_tokens=257))


@each_kind
def test_they_are_no_part_of_any_weight(lively_base: Path, chosen: Any) -> None:
    with pytest.raises(RequestError, match="cannot be merged"):
        merged(start(lively_base, chosen))


@each_kind
def test_hidden_states_are_those_of_the_sequence(lively_base: Path, chosen: Any) -> None:
    with torch.no_grad():
        said = start(lively_base, chosen).model(input_ids=IDS, output_hidden_states=True, use_cache=False)
    assert {states.shape[1] for states in said.hidden_states} == {IDS.shape[1]}


def test_a_finished_prompt_of_another_size_is_refused(lively_base: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from kamerton.ground.errors import StorageError

    save_finished(start(lively_base, KINDS[0]), KINDS[0], tmp_path / "run" / "model")
    file = tmp_path / "run" / "model" / "adapter_model.safetensors"
    for tensors in ({"prompt_embeddings": torch.zeros(5, 31)}, {"prompt_embeddings": torch.zeros(4, 32)}, {"x": IDS}):
        save_file(tensors, file)
        with pytest.raises(StorageError, match="do not fit"):
            load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")
