"""From rows to sequences: what is cut, what is left out, and what stands where."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_samples import build_examples
from hypothesis import given, settings
from hypothesis import strategies as st
from training_samples import row, rows

from kamerton.chat import ChatFormat
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.models.tokenizer import chat_format, load_tokenizer


@pytest.fixture(scope="session")
def chat(tiny_base: Path) -> ChatFormat:
    return chat_format(load_tokenizer(tiny_base), "tokenizer")


def _text(text: str) -> Row:
    return Row(text=text)


# sft


def test_each_row_is_one_sequence_with_its_answer_as_labels(chat: ChatFormat) -> None:
    built = build_examples(rows(5), chat, "sft", 512)
    assert (len(built.examples), built.cut, built.masked) == (5, [], [])
    for each, example in zip(rows(5), built.examples, strict=True):
        tokens = chat.conversation(list(each.messages or ()))
        assert (example.ids, example.labels) == (tokens.ids, tokens.labels())
        prompt = len(chat.prompt_ids(each.prompt))
        assert set(example.labels[:prompt]) == {-100}
        assert -100 not in example.labels[prompt:-1]
    assert built.tokens == sum(len(example.ids) for example in built.examples)
    assert built.trained_tokens == sum(label != -100 for each in built.examples for label in each.labels)


def test_a_long_row_is_cut_and_told_but_learned_from(chat: ChatFormat) -> None:
    whole = build_examples([row(0)], chat, "sft", 512).examples[0]
    limit = len(whole.ids) - 4
    built = build_examples([row(0)], chat, "sft", limit)
    assert built.examples[0].ids == whole.ids[:limit]
    assert (built.cut, built.masked) == ([row(0).row_hash], [])


def test_a_row_with_nothing_left_is_masked_and_not_counted_as_cut_too(chat: ChatFormat) -> None:
    prompt = len(chat.prompt_ids(row(0).prompt))
    longer = Row(messages=({"role": "user", "content": "?"}, {"role": "assistant", "content": "Tak."}))
    built = build_examples([row(0), longer], chat, "sft", prompt)
    assert (built.cut, built.masked) == ([], [row(0).row_hash])
    assert [example.id for example in built.examples] == [f"{longer.row_hash}:0"]


def test_an_empty_answer_still_teaches_the_end_of_the_turn(chat: ChatFormat) -> None:
    silent = Row(messages=({"role": "user", "content": "?"}, {"role": "assistant", "content": ""}))
    (example,) = build_examples([silent], chat, "sft", 64).examples
    assert [label for label in example.labels if label != -100] == [chat.end_id]


def test_rows_that_say_the_same_have_ids_of_their_own(chat: ChatFormat) -> None:
    ids = [example.id for example in build_examples([row(0), row(1), row(0)], chat, "sft", 512).examples]
    assert ids == [f"{row(0).row_hash}:0", f"{row(1).row_hash}:0", f"{row(0).row_hash}:1"]


def test_texts_can_stand_among_conversations(chat: ChatFormat) -> None:
    built = build_examples([row(0), _text("Opłata wynosi 17 zł.")], chat, "sft", 512)
    assert built.examples[1].labels[0] == -100
    assert built.examples[1].labels[1:] == built.examples[1].ids[1:]
    assert built.examples[1].ids[-1] == chat.end_id


def test_rows_without_anything_to_learn_stop_the_run(chat: ChatFormat) -> None:
    with pytest.raises(DataError, match="no row leaves anything") as caught:
        build_examples(rows(3), chat, "sft", 8)
    assert "first 8 tokens" in caught.value.expected
    assert "max_length" in caught.value.mend


@pytest.mark.parametrize("objective", ["sft", "pretrain"])
def test_an_empty_part_is_empty(chat: ChatFormat, objective: str) -> None:
    built = build_examples([], chat, objective, 64)
    assert (built.examples, built.tokens, built.trained_tokens) == ([], 0, 0)


# pretrain


@given(st.lists(st.text("aąbć \n", min_size=1, max_size=60), min_size=1, max_size=8), st.integers(8, 40))
@settings(max_examples=60)
def test_packing_loses_no_token_and_makes_none(chat: ChatFormat, texts: list[str], length: int) -> None:
    stream = [token for text in texts for token in chat.text(text).ids]
    built = build_examples([_text(text) for text in texts], chat, "pretrain", length)
    packed = [token for example in built.examples for token in example.ids]
    assert packed == stream[: len(packed)]
    assert len(stream) - len(packed) <= 1  # a last single token predicts nothing
    assert [len(example.ids) for example in built.examples[:-1]] == [length] * (len(built.examples) - 1)
    assert [example.id for example in built.examples] == [str(number) for number in range(len(built.examples))]


def test_begin_tokens_are_not_learned_and_everything_else_is(chat: ChatFormat) -> None:
    built = build_examples([_text("Lampa nie świeci."), _text("Opłata.")], chat, "pretrain", 512)
    (example,) = built.examples
    begin = example.ids[0]
    assert example.ids.count(begin) == 2
    assert [(label == -100) == (token == begin) for token, label in zip(example.ids, example.labels, strict=True)]
    assert [token for token, label in zip(example.ids, example.labels, strict=True) if label == -100] == [begin] * 2


def test_a_sequence_of_prompt_alone_is_left_out(chat: ChatFormat) -> None:
    """It would give a step without a loss: 0 / 0."""
    asked = Row(messages=({"role": "user", "content": "Proszę! " * 40}, {"role": "assistant", "content": "Nie."}))
    built = build_examples([asked], chat, "pretrain", 16)
    assert len(chat.conversation(list(asked.messages or ())).ids) > 64
    assert built.examples
    assert all(any(label != -100 for label in example.labels[1:]) for example in built.examples)


LONG = [_text(f"Pismo numer {number} w sprawie lampy i chodnika przy ulicy Ogrodowej.") for number in range(200)]


def _dressed(chat: ChatFormat, texts: list[Row], share: float, seed: int = 1) -> list[bool]:
    """For each text alone, whether it was dressed as a conversation."""
    turn = chat.prompt_ids([{"role": "user", "content": "x"}])[0]
    built = [build_examples([text], chat, "pretrain", 512, seed=seed, chat_share=share) for text in texts]
    return [turn in example.examples[0].ids for example in built]


def test_the_share_of_dressed_texts_is_the_one_asked_for(chat: ChatFormat) -> None:
    assert not any(_dressed(chat, LONG[:20], 0.0))
    assert all(_dressed(chat, LONG[:20], 1.0))
    assert 0.18 <= sum(_dressed(chat, LONG, 0.3)) / len(LONG) <= 0.42


def test_which_texts_are_dressed_depends_on_seed_and_text_alone(chat: ChatFormat) -> None:
    chosen = _dressed(chat, LONG[:60], 0.5)
    assert _dressed(chat, LONG[:60][::-1], 0.5) == chosen[::-1]
    assert _dressed(chat, LONG[:60], 0.5, seed=2) != chosen
    more = _dressed(chat, LONG[:60], 0.7)
    assert all(after for before, after in zip(chosen, more, strict=True) if before)


def test_a_dressed_text_keeps_its_words_and_learns_the_answer_alone(chat: ChatFormat) -> None:
    (example,) = build_examples(LONG[:1], chat, "pretrain", 512, seed=1, chat_share=1.0).examples
    answer = [token for token, label in zip(example.ids, example.labels, strict=True) if label != -100]
    assert answer[-1] == chat.end_id
    text = LONG[0].text or ""
    tail = load_words(chat, answer[:-1])
    assert text.endswith(tail)
    assert len(text.split()) // 2 <= len(tail.split()) < len(text.split())


def load_words(chat: ChatFormat, ids: list[int]) -> str:
    return str(chat.tokenizer.decode(ids))  # type: ignore[attr-defined]


def test_a_short_text_is_never_dressed(chat: ChatFormat) -> None:
    assert not any(_dressed(chat, [_text("raz dwa trzy cztery pięć sześć siedem")], 1.0))


# weights


def test_each_sequence_has_the_weight_of_its_row(chat: ChatFormat) -> None:
    silent = Row(messages=({"role": "user", "content": "Halo?"}, {"role": "assistant", "content": "x" * 900}))
    plain = build_examples([row(0), silent, row(0), row(1)], chat, "sft", 40)
    built = build_examples([row(0), silent, row(0), row(1)], chat, "sft", 40, weights=[0.5, 9.0, 2.0, 1.0])
    by_id = {example.id: example.weight for example in built.examples}
    assert by_id[f"{row(0).row_hash}:0"] == 0.5
    assert by_id[f"{row(0).row_hash}:1"] == 2.0
    assert by_id[f"{row(1).row_hash}:0"] == 1.0
    assert {example.weight for example in plain.examples} == {1.0}
    assert [example.ids for example in built.examples] == [example.ids for example in plain.examples]
    assert built.tokens == round(sum(example.weight * len(example.ids) for example in built.examples))


def test_texts_of_one_weight_are_packed_together(chat: ChatFormat) -> None:
    texts = [_text(f"Zdanie numer {number} o rzece i moście.") for number in range(12)]
    weights = [0.5 if number % 3 else 2.0 for number in range(12)]
    built = build_examples(texts, chat, "pretrain", 16, weights=weights)
    assert [example.id for example in built.examples] == [str(number) for number in range(len(built.examples))]
    for weight in (0.5, 2.0):
        alone = [text for text, each in zip(texts, weights, strict=True) if each == weight]
        expected = [example.ids for example in build_examples(alone, chat, "pretrain", 16).examples]
        assert [example.ids for example in built.examples if example.weight == weight] == expected
    equal = build_examples(texts, chat, "pretrain", 16, weights=[1.0] * 12)
    assert equal == build_examples(texts, chat, "pretrain", 16)


@pytest.mark.parametrize("objective", ["sft", "pretrain"])
def test_a_weight_for_each_row_is_asked_for(chat: ChatFormat, objective: str) -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        build_examples(rows(3), chat, objective, 64, weights=[1.0, 1.0])
