"""The loss in chunks is the loss of the whole logits, and never holds them."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from tiny_networks import FAMILIES, SEQUENCES, VOCABULARY, furthest, gradients, tiny
from torch.nn.functional import cross_entropy, log_softmax
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kamerton.chat import IGNORED
from kamerton.models.packed import PACKED, pack, pad
from kamerton.models.token_loss import Head, bare, find_head, hidden_states, summed_nll, token_log_probs

CHUNKS = [None, 1, 7, 1000]


def adapted(name: str) -> Any:
    """A tiny Llama wrapped by peft in ways that touch the head."""
    options: dict[str, Any] = {
        "lora": {"target_modules": "all-linear", "init_lora_weights": False},
        "lora_head": {"target_modules": ["q_proj", "lm_head"], "init_lora_weights": False},
        "saved_head": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"], "init_lora_weights": False},
    }[name]
    return get_peft_model(tiny(), LoraConfig(task_type="CAUSAL_LM", r=4, **options))


def make(name: str) -> Any:
    if name == "head_with_bias":
        model = tiny()
        model.lm_head = torch.nn.Linear(32, VOCABULARY)
        return model
    if name == "head_in_parts":
        model = tiny()
        model.lm_head = torch.nn.Sequential(torch.nn.Linear(32, 8), torch.nn.Tanh(), torch.nn.Linear(8, VOCABULARY))
        return model
    return tiny(name) if name in FAMILIES else adapted(name)


@pytest.mark.parametrize("name", [*FAMILIES, "lora", "lora_head", "saved_head", "head_with_bias", "head_in_parts"])
def test_loss_and_gradients_are_those_of_the_whole_logits(name: str) -> None:
    model = make(name)
    bare(model).set_attn_implementation(PACKED)
    head = find_head(model)
    assert not isinstance(head.module, torch.nn.Identity)
    batch = pack(SEQUENCES, [[IGNORED, *ids[1:]] for ids in SEQUENCES])
    whole = cross_entropy(model(**batch.inputs).logits[0], batch.targets, reduction="sum")
    whole.backward()
    wanted = gradients(model)
    for chunk in CHUNKS:
        loss = summed_nll(head, hidden_states(model, head, batch.inputs), batch.targets, chunk)
        loss.backward()
        assert float(loss.detach()) == pytest.approx(float(whole.detach()), rel=1e-6)
        assert furthest(gradients(model), wanted) < 5e-6
        chosen = token_log_probs(head, hidden_states(model, head, batch.inputs), batch.targets, chunk)
        (-chosen.sum()).backward()
        assert float(-chosen.sum().detach()) == pytest.approx(float(whole.detach()), rel=1e-6)
        assert furthest(gradients(model), wanted) < 5e-6


def test_logits_made_in_an_unknown_way_are_taken_whole() -> None:
    model: Any = tiny()
    forward = type(model).forward

    def doubled(*args: Any, **kwargs: Any) -> Any:
        found = forward(model, *args, **kwargs)
        found.logits = found.logits * 2
        return found

    model.forward = doubled
    head = find_head(model)
    assert isinstance(head.module, torch.nn.Identity)
    batch = pack(SEQUENCES[:1])
    model.set_attn_implementation(PACKED)
    whole = cross_entropy(model(**batch.inputs).logits[0], batch.targets, reduction="sum")
    loss = summed_nll(head, hidden_states(model, head, batch.inputs), batch.targets)
    assert float(loss.detach()) == pytest.approx(float(whole.detach()), rel=1e-6)


def test_virtual_tokens_of_a_tuned_prompt_have_no_targets() -> None:
    model: Any = get_peft_model(tiny(), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)).eval()
    head = find_head(model)
    batch = pad(SEQUENCES, 0)
    found = head(hidden_states(model, head, batch.inputs))
    whole = model(**batch.inputs).logits[:, 3:].flatten(0, 1)
    assert torch.allclose(found, whole, atol=1e-5)


def test_the_head_is_as_before_also_after_an_error() -> None:
    model: Any = tiny()
    head = find_head(model)
    with pytest.raises(IndexError):
        hidden_states(model, head, {"input_ids": torch.tensor([[VOCABULARY]]), "use_cache": False})
    assert model(input_ids=torch.tensor([[1, 2]])).logits.shape == (1, 2, VOCABULARY)


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("chunk", [1, 2, 50])
def test_gradients_in_fp64(softcap: float | None, chunk: int) -> None:
    torch.manual_seed(0)
    linear = torch.nn.Linear(3, 4).double()
    hidden = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([1, IGNORED, 0, 3])
    head = Head(linear, 4, scale=0.7, softcap=softcap)

    def nll(hidden: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return summed_nll(head, hidden, targets, chunk)

    def log_probs(hidden: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return token_log_probs(head, hidden, targets, chunk)

    assert torch.autograd.gradcheck(nll, (hidden, *linear.parameters()))
    assert torch.autograd.gradcheck(log_probs, (hidden, *linear.parameters()))


def test_log_probabilities_are_those_of_each_target() -> None:
    torch.manual_seed(0)
    linear, hidden = torch.nn.Linear(4, 6), torch.randn(3, 4)
    found = token_log_probs(Head(linear, 6), hidden, torch.tensor([5, IGNORED, 0]))
    wanted = log_softmax(linear(hidden), -1)
    assert torch.allclose(found, torch.stack([wanted[0, 5], torch.tensor(0.0), wanted[2, 0]]))


def test_nothing_trained_costs_nothing() -> None:
    hidden = torch.randn(3, 4, requires_grad=True)
    linear = torch.nn.Linear(4, 6)
    for loss in (summed_nll, token_log_probs):
        loss(Head(linear, 6), hidden, torch.full((3,), IGNORED)).sum().backward()
    assert hidden.grad is not None
    assert not hidden.grad.any()


def test_softmax_is_exact_under_autocast() -> None:
    torch.manual_seed(0)
    linear = torch.nn.Linear(32, 500)
    hidden = torch.randn(40, 32, requires_grad=True)
    targets = torch.arange(40)
    with torch.autocast("cpu", torch.bfloat16):
        loss = summed_nll(Head(linear, 500), hidden, targets)
        chosen = token_log_probs(Head(linear, 500), hidden, targets)
        logits = linear(hidden)
    assert loss.dtype == chosen.dtype == torch.float32
    wanted = cross_entropy(logits.float(), targets, reduction="sum")
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-6)
    (loss - chosen.sum()).backward()
    assert hidden.grad is not None
    assert torch.isfinite(hidden.grad).all()


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self.elements = max(self.elements, leaf.numel())
        return made


@pytest.mark.parametrize("loss", [summed_nll, token_log_probs])
def test_no_tensor_of_all_logits_is_ever_made(loss: Any) -> None:
    linear = torch.nn.Linear(8, 200)
    peaks = []
    for positions in (256, 1024):
        hidden = torch.randn(positions, 8, requires_grad=True)
        with Largest() as largest:
            loss(Head(linear, 200), hidden, torch.arange(positions) % 200, 32).sum().backward()
        peaks.append(largest.elements)
    assert peaks == [32 * 200, 1024 * 8]


def test_without_gradients_none_are_made() -> None:
    linear = torch.nn.Linear(4, 6)
    with torch.no_grad():
        assert not summed_nll(Head(linear, 6), torch.randn(3, 4), torch.tensor([1, 2, 3])).requires_grad
    loss = summed_nll(Head(linear.requires_grad_(False), 6), torch.randn(3, 4), torch.tensor([1, 2, 3]))
    assert not loss.requires_grad
