"""The words of the field by their code in the records."""

from __future__ import annotations

from kamerton.registry.report.language import Language, mark

__all__ = [
    "baseline_name",
    "capital",
    "finding_name",
    "metric_name",
    "part_name",
    "record_name",
    "set_name",
    "test_name",
    "verdict_name",
]

_METRICS = {
    "accuracy": mark("Accuracy"),
    "macro_f1": mark("Macro-F1"),
    "exact_match": mark("Exact match"),
    "form": mark("Correct form"),
    "token_f1": mark("Token-F1"),
    "perplexity": mark("Perplexity"),
}
_BASELINES = {"base": mark("base model"), "few_shot": mark("base with a few-shot prompt")}
_PARTS = {"train": mark("training"), "validation": mark("validation"), "test": mark("test")}
_VERDICTS = {
    "better": mark("better"),
    "worse": mark("worse"),
    "no difference shown": mark("no difference shown"),
    "too few items": mark("too few items"),
    "not comparable": mark("not comparable"),
}
_TESTS = {"mcnemar_exact": mark("exact McNemar test"), "paired_permutation": mark("paired permutation test")}
_RECORDS = {
    "run": mark("run"),
    "data_report": mark("data report"),
    "evaluation": mark("evaluation"),
    "comparison": mark("comparison"),
    "decision": mark("decision"),
    "rebuild": mark("rebuild"),
}
_FINDINGS = {
    "answer_is_prompt": mark("answer repeats the prompt"),
    "bad_encoding": mark("wrong encoding"),
    "big_cluster": mark("large cluster of alike rows"),
    "blank_line": mark("blank line"),
    "broken_csv": mark("broken CSV"),
    "broken_json": mark("broken JSON"),
    "broken_parquet": mark("broken Parquet"),
    "control_character": mark("control character"),
    "duplicate_column": mark("column named twice"),
    "duplicate_key": mark("key given twice"),
    "empty_answer": mark("empty answer"),
    "empty_conversation": mark("empty conversation"),
    "empty_file": mark("empty file"),
    "empty_prompt": mark("empty prompt"),
    "empty_text": mark("empty text"),
    "exact_duplicate": mark("exact duplicate"),
    "missing_column": mark("missing column"),
    "no_answer": mark("no answer"),
    "not_an_object": mark("row is not an object"),
    "not_json_lines": mark("not JSON lines"),
    "not_text": mark("not text"),
    "ragged_row": mark("row of another width"),
    "replacement_character": mark("letter lost in decoding"),
    "short_answer": mark("answer too short"),
    "short_text": mark("text too short"),
    "tool_call": mark("tool call"),
    "unknown_role": mark("unknown role"),
    "unknown_shape": mark("unknown shape"),
    "unused_columns": mark("unused columns"),
    "wrong_role_order": mark("wrong order of roles"),
    "wrong_type": mark("wrong type"),
}


def metric_name(language: Language, code: str) -> str:
    """Name of a metric; an unknown one as it is."""
    return _known(language, _METRICS, code)


def baseline_name(language: Language, code: str) -> str:
    """Name of a baseline, in the middle of a sentence; another model's own name as it is."""
    return _known(language, _BASELINES, code)


def part_name(language: Language, code: str) -> str:
    """Name of a part of the split."""
    return _known(language, _PARTS, code)


def set_name(language: Language, code: str) -> str:
    """Name of an evaluation set: `test` is known, others have the recipe's names."""
    return language.say("test set") if code == "test" else language.say("set “{name}”", name=code)


def record_name(language: Language, code: str) -> str:
    """Kind of a record."""
    return _known(language, _RECORDS, code)


def verdict_name(language: Language, code: str) -> str:
    """Verdict of one comparison."""
    return _known(language, _VERDICTS, code)


def test_name(language: Language, code: str) -> str:
    """Name of a statistical test."""
    return _known(language, _TESTS, code)


def finding_name(language: Language, code: str) -> str:
    """Kind of a finding in data; an unknown one with spaces for underscores."""
    return language.say(_FINDINGS[code]) if code in _FINDINGS else code.replace("_", " ")


def capital(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _known(language: Language, names: dict[str, str], code: str) -> str:
    return language.say(names[code]) if code in names else code
