"""The words of the field by their code in the records."""

from __future__ import annotations

from kamerton.registry.report.language import Language, mark

__all__ = [
    "alarm_name",
    "baseline_name",
    "capital",
    "finding_name",
    "item_name",
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
_ALARMS = {
    "answers": mark("unrelated answers"),
    "divergence": mark("divergence"),
    "duplicates": mark("repeated rows"),
    "failed": mark("failed run"),
    "few_rows": mark("few rows"),
    "forgetting": mark("forgetting"),
    "frozen": mark("frozen weights"),
    "languages": mark("mixed languages"),
    "leak": mark("leak"),
    "loader": mark("data loader"),
    "masked": mark("masked rows"),
    "non_finite": mark("number that is not finite"),
    "over_fitting": mark("over-fitting"),
    "plateau": mark("plateau"),
    "rate_too_high": mark("learning rate too high"),
    "rate_too_low": mark("learning rate too low"),
    "spike": mark("spike"),
    "template": mark("chat template"),
    "throughput": mark("drop of speed"),
    "under_fitting": mark("under-fitting"),
}
_FINDINGS = {
    "all_masked": mark("nothing left to learn"),
    "answer_is_prompt": mark("answer repeats the prompt"),
    "augmented_duplicate": mark("new row said already"),
    "augmented_empty": mark("empty new row"),
    "augmented_held_out": mark("new row alike a held-out one"),
    "augmented_length": mark("new row of another length"),
    "augmented_numbers": mark("new row with other numbers"),
    "augmented_unchanged": mark("new row unchanged"),
    "bad_encoding": mark("wrong encoding"),
    "bad_json_text": mark("broken JSON in a text"),
    "bad_tool_call": mark("broken tool call"),
    "bad_tools": mark("broken list of tools"),
    "balanced_out": mark("left out by balancing"),
    "big_cluster": mark("large cluster of alike rows"),
    "blank_line": mark("blank line"),
    "boilerplate": mark("remain of a page or a tool"),
    "broken_arrow": mark("broken Arrow file"),
    "broken_csv": mark("broken CSV"),
    "broken_json": mark("broken JSON"),
    "broken_parquet": mark("broken Parquet"),
    "byte_order_mark": mark("byte order mark"),
    "control_character": mark("control character"),
    "converted_encoding": mark("encoding converted"),
    "duplicate_column": mark("column named twice"),
    "duplicate_key": mark("key given twice"),
    "empty_answer": mark("empty answer"),
    "empty_conversation": mark("empty conversation"),
    "empty_file": mark("empty file"),
    "empty_prompt": mark("empty prompt"),
    "empty_text": mark("empty text"),
    "equal_answers": mark("equal answers"),
    "exact_duplicate": mark("exact duplicate"),
    "json_in_text": mark("JSON inside a text"),
    "leak_coverage": mark("test item in pieces in training"),
    "leak_embedding": mark("test item in other words in training"),
    "leak_exact": mark("test item in training"),
    "leak_near": mark("test item nearly in training"),
    "leak_ngram": mark("words of a test item in training"),
    "leaking_row": mark("training row with a test item"),
    "long_answer": mark("long answer"),
    "long_row": mark("too many tokens"),
    "long_text": mark("long text"),
    "mended_label": mark("mended label"),
    "mended_role": mark("mended role"),
    "mended_turn": mark("mended turn"),
    "missing_column": mark("missing column"),
    "mixed_types": mark("mixed types"),
    "mojibake": mark("text decoded wrongly"),
    "near_duplicate": mark("near duplicate"),
    "no_answer": mark("no answer"),
    "no_arguments": mark("call without arguments"),
    "not_an_object": mark("row is not an object"),
    "not_json_lines": mark("not JSON lines"),
    "not_nfc": mark("letters in parts (not NFC)"),
    "not_read": mark("not read"),
    "not_text": mark("not text"),
    "other_language": mark("another language"),
    "parted_cluster": mark("alike rows on two sides"),
    "privacy_address": mark("postal address"),
    "privacy_api_key": mark("API key"),
    "privacy_card": mark("payment card"),
    "privacy_email": mark("e-mail address"),
    "privacy_iban": mark("bank account"),
    "privacy_name": mark("name of a person"),
    "privacy_nip": mark("tax number (NIP)"),
    "privacy_password": mark("password"),
    "privacy_pesel": mark("personal number (PESEL)"),
    "privacy_phone": mark("telephone number"),
    "privacy_private_key": mark("private key"),
    "privacy_regon": mark("business number (REGON)"),
    "privacy_token": mark("access token"),
    "ragged_row": mark("row of another width"),
    "refusal": mark("refusal"),
    "repeated_header": mark("header given twice"),
    "repeated_prompt": mark("answer begins with the prompt"),
    "replacement_character": mark("letter lost in decoding"),
    "replay_held_out": mark("not replayed: alike a held-out row"),
    "replay_known": mark("not replayed: known anyway"),
    "row_too_long": mark("row too long"),
    "short_answer": mark("answer too short"),
    "short_text": mark("text too short"),
    "system_not_used": mark("system turn not used"),
    "template_injection": mark("control token in the text"),
    "template_refused": mark("refused by the chat template"),
    "tied_ranks": mark("tied ranks"),
    "tool_call": mark("tool call"),
    "truncated": mark("cut at the longest sequence"),
    "unknown_role": mark("unknown role"),
    "unknown_shape": mark("unknown shape"),
    "unused_columns": mark("unused columns"),
    "weight_not_used": mark("weight not used"),
    "whitespace": mark("odd white space"),
    "wrong_role_order": mark("wrong order of roles"),
    "wrong_type": mark("wrong type"),
}

_ITEMS = {
    "readable": mark("Every row can be read"),
    "set_aside": mark("Cleaning leaves enough"),
    "train_rows": mark("Enough rows to train on"),
    "validation_rows": mark("A validation part"),
    "test_rows": mark("A test part"),
    "parts": mark("Parts"),
    "test_power": mark("The test part can tell models apart"),
    "test_categories": mark("Every category is tested"),
    "plan": mark("Metrics, baselines and gate"),
    "metrics": mark("Metrics are chosen"),
    "baselines": mark("Baselines are chosen"),
    "gate": mark("The gate can decide"),
    "language": mark("The language is the wanted one"),
    "duplicates": mark("Few rows repeat each other"),
    "category_rows": mark("Enough rows of each category"),
    "balance": mark("Categories are balanced"),
    "label_noise": mark("One question has one answer"),
    "length": mark("Rows fit into the model"),
    "template": mark("The chat template takes every row"),
    "truncated": mark("Few rows are cut"),
    "masked": mark("Every row has something to learn"),
    "leaks": mark("No test item is in the training rows"),
    "canaries": mark("The leak detector works"),
    "privacy": mark("No personal data"),
}


def metric_name(language: Language, code: str) -> str:
    """Name of a metric; an unknown one as it is."""
    return _known(language, _METRICS, code)


def alarm_name(language: Language, code: str) -> str:
    """Kind of an alarm; an unknown one with spaces for underscores."""
    return language.say(_ALARMS[code]) if code in _ALARMS else code.replace("_", " ")


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


def item_name(language: Language, code: str) -> str:
    """A question of the data checklist; an unknown one with spaces for underscores."""
    return language.say(_ITEMS[code]) if code in _ITEMS else capital(code.replace("_", " "))


def capital(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _known(language: Language, names: dict[str, str], code: str) -> str:
    return language.say(names[code]) if code in names else code
