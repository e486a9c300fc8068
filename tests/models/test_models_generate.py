"""Answers and likelihoods: independent of the batch, equal to plain torch, stopped where they must be."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kamerton.chat.generation import Generation
from kamerton.ground.errors import DataError
from kamerton.models.generate import TransformersGenerator
from kamerton.models.load import LoadedModel, load_base
from kamerton.models.tokenizer import chat_format

QUESTIONS = [
    "Dzień dobry!",
    "Where is the office, please?",
    "Proszę o wydanie odpisu aktu urodzenia mojej córki, najlepiej jeszcze w tym tygodniu.",
    "?",
    "Kiedy odbierają odpady wielkogabarytowe z ulicy Ogrodowej?",
    "Opłata",
    "17 + 4",
    "Lampa przy przystanku nie świeci od tygodnia, a chodnik jest nierówny. Kto za to odpowiada i kiedy to naprawi?",
]
PROMPTS: list[Any] = [[{"role": "user", "content": text}] for text in QUESTIONS * 2]
ANSWERED: list[Any] = [
    [*prompt, {"role": "assistant", "content": "Pokój " * (index + 1)}] for index, prompt in enumerate(PROMPTS)
]


class CountingModel:
    """A model whose next token is the last one plus one, with certainty p; it counts on from the end of the prompt."""

    def __init__(self, vocabulary: int, certainty: float = 0.5) -> None:
        self.vocabulary = vocabulary
        self.certainty = certainty
        self.config = SimpleNamespace(max_position_embeddings=64)
        self.generation_config = SimpleNamespace(eos_token_id=None)
        self.device = torch.device("cpu")
        self.shapes: list[tuple[int, ...]] = []
        self.positions: list[list[list[int]]] = []

    def __call__(self, *, input_ids: torch.Tensor, **rest: Any) -> Any:
        self.shapes.append(tuple(input_ids.shape))
        if "position_ids" in rest:
            self.positions.append(rest["position_ids"].tolist())
        other = (1 - self.certainty) / (self.vocabulary - 1)
        logits = torch.full((*input_ids.shape, self.vocabulary), math.log(other))
        logits.scatter_(-1, ((input_ids + 1) % self.vocabulary)[..., None], math.log(self.certainty))
        return SimpleNamespace(logits=logits)


@pytest.fixture
def counting(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    monkeypatch.setattr("kamerton.models.generate.DynamicCache", lambda config: None)
    loaded.model = CountingModel(len(loaded.tokenizer))  # type: ignore[assignment]
    return loaded


def _decode(loaded: LoadedModel, *ids: int) -> str:
    return str(loaded.tokenizer.decode(list(ids)))


# The batch does not matter.


def test_answers_do_not_depend_on_the_batch_size(loaded: LoadedModel) -> None:
    one, three, all_ = (TransformersGenerator(loaded, batch_size=size).generate(PROMPTS, 24) for size in (1, 3, 16))
    assert one == three == all_
    assert len({answer.text for answer in one}) >= len(QUESTIONS) - 1
    assert one[: len(QUESTIONS)] == one[len(QUESTIONS) :]


def test_scores_do_not_depend_on_the_batch_size_or_the_neighbours(loaded: LoadedModel) -> None:
    one, three, all_ = (TransformersGenerator(loaded, batch_size=size).score(ANSWERED) for size in (1, 3, 16))
    assert one == three == all_
    assert TransformersGenerator(loaded).score(ANSWERED[::-1]) == one[::-1]
    assert len({score.nll for score in one}) == len(one)
    texts = [*QUESTIONS, " ".join(QUESTIONS)]
    alone = [TransformersGenerator(loaded).score_texts([text])[0] for text in texts]
    assert TransformersGenerator(loaded, batch_size=3).score_texts(texts) == alone


def test_a_score_is_computed_at_a_length_of_its_own(counting: LoadedModel) -> None:
    """Padding to the length of a neighbour changes the last bits of a larger model."""
    counting.model.config.max_position_embeddings = 512
    long = " ".join(QUESTIONS)
    width = -(-len(counting.format.text(long).ids) // 64) * 64
    assert width > 64
    TransformersGenerator(counting).score_texts(["?", long, "Opłata"])
    assert counting.model.shapes == [(2, 64), (1, width)]


def test_progress_is_told_to_the_end(loaded: LoadedModel) -> None:
    told: list[int] = []
    generator = TransformersGenerator(loaded, batch_size=3, on_progress=told.append)
    generator.generate(PROMPTS[:7], 2)
    assert told == [3, 6, 7]
    told.clear()
    generator.score(ANSWERED[:7])
    assert told[-1] == 7
    assert told == sorted(told)


# Against plain torch.


@torch.no_grad()
def _plain_greedy(loaded: LoadedModel, ids: list[int], count: int) -> list[int]:
    """Greedy decoding without batches, padding or a cache."""
    made: list[int] = []
    for _ in range(count):
        made.append(int(loaded.model(torch.tensor([ids + made])).logits[0, -1].argmax()))
        if made[-1] == loaded.format.end_id:
            break
    return made


def test_greedy_answers_are_those_of_plain_torch(loaded: LoadedModel) -> None:
    answers = TransformersGenerator(loaded).generate(PROMPTS[:8], 16)
    for prompt, answer in zip(PROMPTS, answers, strict=False):
        ids = _plain_greedy(loaded, loaded.format.prompt_ids(prompt), 16)
        ended = ids[-1] == loaded.format.end_id
        text = loaded.tokenizer.decode(ids[:-1] if ended else ids, skip_special_tokens=True)
        assert answer == Generation(text, len(ids), ended)


def test_positions_are_counted_from_the_first_token_that_is_not_padding(counting: LoadedModel) -> None:
    """Rotary positions hide a shift, learned ones do not."""
    counting.format.end_id = 399
    TransformersGenerator(counting).generate([PROMPTS[3], PROMPTS[1]], 3)
    short, long = (len(counting.format.prompt_ids(prompt)) for prompt in (PROMPTS[3], PROMPTS[1]))
    assert short < long
    assert counting.model.positions[0] == [[0] * (long - short) + list(range(short)), list(range(long))]
    assert counting.model.positions[1:] == [[[short], [long]], [[short + 1], [long + 1]]]


def test_a_text_is_continued_after_its_begin_token(loaded: LoadedModel) -> None:
    begin = [loaded.tokenizer.bos_token_id]
    ids = _plain_greedy(loaded, begin + loaded.tokenizer("Opłata", add_special_tokens=False).input_ids, 9)
    assert TransformersGenerator(loaded).complete("Opłata", 9).tokens == len(ids)
    assert TransformersGenerator(loaded).complete("Opłata", 9).text == loaded.tokenizer.decode(
        ids, skip_special_tokens=True
    )
    assert TransformersGenerator(loaded).complete("", 3).tokens == 3


@torch.no_grad()
def test_scores_are_those_of_plain_torch(loaded: LoadedModel) -> None:
    for messages, score in zip(ANSWERED, TransformersGenerator(loaded).score(ANSWERED), strict=True):
        tokens = loaded.format.conversation(messages, last_only=True)
        log_p = loaded.model(torch.tensor([tokens.ids])).logits[0].double().log_softmax(-1)
        nll = -sum(
            float(log_p[place - 1, token])
            for place, (token, on) in enumerate(zip(tokens.ids, tokens.trained, strict=True))
            if on
        )
        assert score.nll == pytest.approx(nll, rel=1e-5)
        assert score.tokens == sum(tokens.trained)


def test_the_likelihood_of_a_known_distribution(counting: LoadedModel) -> None:
    """Each token has probability 1/2 if it is the one after the last, else 1/2 shared by all others."""
    vocabulary = len(counting.tokenizer)
    expected, wrong = math.log(2), math.log(2 * (vocabulary - 1))
    text = _decode(counting, 70, 71, 72, 80)
    ids = counting.format.text(text).ids
    assert ids == [1, 70, 71, 72, 80, 3]
    (score,) = TransformersGenerator(counting).score_texts([text])
    assert score.tokens == 5
    assert score.nll == pytest.approx(2 * expected + 3 * wrong, rel=1e-6)


def test_of_a_conversation_only_the_last_answer_counts(counting: LoadedModel) -> None:
    answer = _decode(counting, 70, 71, 72)
    turns: Any = [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}]
    one, two = TransformersGenerator(counting).score([turns, turns + turns])
    assert one == two
    assert one.tokens == 4
    assert one.nll == pytest.approx(2 * math.log(2) + 2 * math.log(2 * (len(counting.tokenizer) - 1)), rel=1e-6)


def test_a_long_text_is_scored_in_windows_that_predict_every_token_once(counting: LoadedModel) -> None:
    text = _decode(counting, *range(70, 260))
    ids = counting.format.text(text).ids
    assert len(ids) > 2.5 * counting.context
    right = sum(after == before + 1 for before, after in pairwise(ids))
    (score,) = TransformersGenerator(counting).score_texts([text])
    assert score.tokens == len(ids) - 1
    wrong = score.tokens - right
    assert right > 50
    assert score.nll == pytest.approx(right * math.log(2) + wrong * math.log(2 * 399), rel=1e-6)
    assert max(width for _, width in counting.model.shapes) <= counting.context


def test_no_forward_pass_is_longer_than_the_context(counting: LoadedModel) -> None:
    """A model with learned positions has none beyond it, so the padded length must not pass it either."""
    counting.model.config.max_position_embeddings = 50
    TransformersGenerator(counting).score_texts([_decode(counting, *range(70, 115))])
    assert {width for _, width in counting.model.shapes} == {50}


# Where an answer ends.


def _prompt_that_ends_with(loaded: LoadedModel) -> int:
    """The last token of any prompt, after which the counting model goes on."""
    return loaded.format.prompt_ids(PROMPTS[0])[-1]


def test_an_answer_stops_at_the_end_token_and_others_go_on(counting: LoadedModel) -> None:
    last = _prompt_that_ends_with(counting)
    counting.format.end_id = last + 4
    stopped = TransformersGenerator(counting).generate(PROMPTS[:2], 20)
    assert stopped == [Generation(_decode(counting, last + 1, last + 2, last + 3), 4, True)] * 2
    assert TransformersGenerator(counting).generate(PROMPTS[:1], 4) == stopped[:1]


def test_one_answer_that_is_over_does_not_stop_the_others(loaded: LoadedModel) -> None:
    free = TransformersGenerator(loaded).generate(PROMPTS[:8], 20)
    first = _plain_greedy(loaded, loaded.format.prompt_ids(PROMPTS[0]), 20)
    loaded.format.end_id = first[4]
    assert first.index(first[4]) == 4 or first[4] in first[:4]
    ended = TransformersGenerator(loaded).generate(PROMPTS[:8], 20)
    assert ended[0].finished
    assert ended[0].tokens == first.index(first[4]) + 1
    for before, after in zip(free, ended, strict=True):
        assert before.text.startswith(after.text)
        assert after.finished or after.tokens == 20
    assert [answer for answer in ended if not answer.finished]


def test_an_answer_that_was_cut_is_reported(counting: LoadedModel) -> None:
    last = _prompt_that_ends_with(counting)
    counting.format.end_id = last + 4
    assert TransformersGenerator(counting).generate(PROMPTS[:1], 3) == [
        Generation(_decode(counting, last + 1, last + 2, last + 3), 3, False)
    ]
    assert TransformersGenerator(counting).generate(PROMPTS[:1], 0) == [Generation("", 0, False)]
    assert TransformersGenerator(counting).generate([], 5) == []


@pytest.mark.parametrize("several", [False, True])
def test_every_end_token_that_the_model_names_stops_an_answer(counting: LoadedModel, several: bool) -> None:
    second = _prompt_that_ends_with(counting) + 2
    counting.model.generation_config.eos_token_id = [second + 100, second] if several else second
    (answer,) = TransformersGenerator(counting).generate(PROMPTS[:1], 20)
    assert (answer.tokens, answer.finished) == (2, True)


def test_what_the_template_ends_a_turn_with_stops_an_answer(tiny_base: Path, counting: LoadedModel) -> None:
    """As with ChatML on a tokenizer whose end of text is another token than its end of turn."""
    turn_end = counting.tokenizer.convert_tokens_to_ids("<|im_end|>")
    counting.tokenizer.eos_token = "<|pad|>"
    counting.format = chat_format(counting.tokenizer, "chatml")
    assert counting.format.end_id != turn_end
    counting.model.__class__ = type("Ending", (CountingModel,), {"__call__": _always(turn_end)})
    assert TransformersGenerator(counting).generate(PROMPTS[:1], 9) == [Generation("", 1, True)]


def _always(token: int) -> Any:
    def call(self: CountingModel, *, input_ids: torch.Tensor, **rest: Any) -> Any:
        logits = torch.zeros((*input_ids.shape, self.vocabulary))
        logits[..., token] = 1.0
        return SimpleNamespace(logits=logits)

    return call


def test_special_tokens_are_no_part_of_an_answer(counting: LoadedModel) -> None:
    counting.model.__class__ = type("Beginning", (CountingModel,), {"__call__": _always(1)})
    assert TransformersGenerator(counting).generate(PROMPTS[:1], 3) == [Generation("", 3, False)]


# What does not fit.


def test_a_prompt_that_leaves_no_room_is_refused_before_any_work(tiny_base: Path) -> None:
    loaded = load_base(str(tiny_base), Path(), device="cpu")
    generator = TransformersGenerator(loaded)
    length = len(loaded.format.prompt_ids(PROMPTS[2]))
    room = loaded.context - length
    assert generator.fits(PROMPTS[2], room)
    assert not generator.fits(PROMPTS[2], room + 1)
    with pytest.raises(DataError, match=f"{length} tokens; with an answer of {room + 1} it passes") as caught:
        generator.generate([PROMPTS[0], PROMPTS[2]], room + 1)
    assert caught.value.where == "prompt 2"
    assert "max_new_tokens" in caught.value.mend
    with pytest.raises(DataError, match="passes the context"):
        generator.complete("Proszę! " * 300, 1)


def test_the_whole_context_can_be_used(counting: LoadedModel) -> None:
    length = len(counting.format.prompt_ids(PROMPTS[0]))
    counting.format.end_id = 399
    (answer,) = TransformersGenerator(counting).generate(PROMPTS[:1], counting.context - length)
    assert (answer.tokens, answer.finished) == (counting.context - length, False)


def test_a_conversation_beyond_the_context_is_not_scored_in_part(tiny_base: Path) -> None:
    loaded = load_base(str(tiny_base), Path(), device="cpu")
    long: Any = [{"role": "user", "content": "Proszę! " * 300}, {"role": "assistant", "content": "Nie."}]
    with pytest.raises(DataError, match="the model's context is 512") as caught:
        TransformersGenerator(loaded).score([ANSWERED[0], long])
    assert caught.value.where == "conversation 2"


def test_nothing_cannot_be_continued_without_a_begin_token(loaded: LoadedModel) -> None:
    loaded.tokenizer.bos_token = None
    with pytest.raises(DataError, match="nothing to go on from"):
        TransformersGenerator(loaded).complete("", 3)
    assert TransformersGenerator(loaded).score_texts([""])[0].tokens == 0
