"""Rows are reported, masked, given pseudonyms or set aside; nothing private stands in findings and report."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban, luhn
from stdnum.pl import nip, pesel

from kamerton.chat.messages import Message
from kamerton.data.batches import runner
from kamerton.data.privacy import Span, find, key_id, protect, pseudonym
from kamerton.data.rows import Row
from kamerton.recipe.privacy import PrivacySection

KEY = b"a key of the tests, not a secret"
PESEL = "44051401359"
TEXT = f"PESEL {PESEL}, tel. +48 600 100 200, e-mail jan@wp.pl, konto PL61109010140000071219812874"
KINDS = ["pesel", "phone", "email", "iban"]
MESSY = Path(__file__).parents[4] / "shared" / "data" / "messy" / "derived-broken" / "alpaca_mixed_types.jsonl"


def section(action: str, **options: object) -> PrivacySection:
    return PrivacySection.model_validate({"action": action} | options)


def masked(text: str) -> str | None:
    return protect([Row(text=text)], section("mask")).rows[0].text


def invented(text: str, key: bytes = KEY) -> str:
    (span,) = find(text)
    return pseudonym(span, key)


def test_report_changes_nothing_and_quotes_nothing() -> None:
    rows = [Row(text="nothing here"), Row(text=TEXT, file="a.jsonl", line=7)]
    result = protect(rows, section("report"))
    assert result.rows[0] is rows[0]
    assert result.rows[1] is rows[1]
    assert [finding.kind for finding in result.findings] == [f"privacy_{kind}" for kind in KINDS]
    first = result.findings[0]
    assert (first.file, first.line, first.severity) == ("a.jsonl", 7, "warning")
    assert first.message == "PESEL 440**** in text, characters 7 to 17"
    assert result.report.model_dump() == {
        "action": "report",
        "kinds": sorted(section("report").kinds),
        "found": {"email": 1, "iban": 1, "pesel": 1, "phone": 1},
        "rows": 2,
        "rows_concerned": 1,
        "rows_changed": 0,
        "rows_set_aside": 0,
        "key_id": "",
        "names_model": "",
    }
    assert result.report.rows_private == 1


def test_off_looks_for_nothing() -> None:
    result = protect([Row(text=TEXT)], section("off"))
    assert (result.findings, result.report.rows, result.report.kinds) == ([], 0, [])
    assert result.rows[0].text == TEXT


def test_mask() -> None:
    result = protect([Row(text=TEXT)], section("mask"))
    assert result.rows[0].text == "PESEL [PESEL], tel. [PHONE], e-mail [EMAIL], konto [IBAN]"
    assert (result.report.rows_changed, result.report.rows_private) == (1, 0)
    assert result.findings[0].message.endswith("; masked")


def test_only_the_kinds_asked_for_are_masked() -> None:
    result = protect([Row(text=TEXT)], section("mask", kinds=["email"]))
    assert result.rows[0].text == TEXT.replace("jan@wp.pl", "[EMAIL]")


def test_drop_sets_the_row_aside_and_says_which() -> None:
    rows = [Row(text=TEXT, file="a", line=1), Row(text="fine", file="a", line=2)]
    result = protect(rows, section("drop"))
    assert result.rows == [rows[1]]
    assert {(finding.line, finding.severity) for finding in result.findings} == {(1, "error")}
    assert (result.report.rows_set_aside, result.report.rows_private) == (1, 0)


def test_every_text_of_a_row_is_protected() -> None:
    turns: tuple[Message, ...] = (
        {"role": "system", "content": "Answer jan@wp.pl."},
        {"role": "user", "content": "hi", "name": "ola@wp.pl"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"name": "look_up", "arguments": f'{{"pesel": {PESEL}, "n":1.50}}', "id": "1"}],
        },
        {"role": "tool", "content": f'{{"who": ["{PESEL}", "\\u0141\\u00f3d\\u017a"]}}', "name": "look_up"},
        {"role": "assistant", "content": f"It is {PESEL}."},
    )
    row = Row(messages=turns, tools='[{"description": "asks jan@wp.pl"}]', group="ola@wp.pl", category="x")
    result = protect([row], section("mask"))
    (new,) = result.rows
    assert new.messages is not None
    assert [turn["content"] for turn in new.messages] == [
        "Answer [EMAIL].",
        "hi",
        "",
        '{"who": ["[PESEL]", "\\u0141\\u00f3d\\u017a"]}',
        "It is [PESEL].",
    ]
    assert new.messages[1]["name"] == "[EMAIL]"
    assert new.messages[2]["tool_calls"] == [
        {"name": "look_up", "arguments": '{"pesel": "[PESEL]", "n":1.50}', "id": "1"}
    ]
    assert new.messages[3]["name"] == "look_up"
    assert (new.tools, new.group, new.category) == ('[{"description": "asks [EMAIL]"}]', "[EMAIL]", "x")
    places = [re.search(r"in (.*), characters", finding.message) for finding in result.findings]
    assert [place and place[1] for place in places] == [
        "turn 1 (system)",
        "turn 2 (user), name",
        "turn 3 (assistant), call of look_up",
        "turn 4 (tool)",
        "turn 5 (assistant)",
        "tools",
        "group",
    ]
    assert row.messages == turns  # the old row is as it was


def test_ranked_answers_are_protected() -> None:
    row = Row(
        messages=({"role": "user", "content": "?"},),
        ranked=({"role": "assistant", "content": PESEL}, {"role": "assistant", "content": "no"}),
    )
    assert protect([row], section("mask")).rows[0].ranked[0]["content"] == "[PESEL]"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f'{{"pesel": {PESEL}}}', '{"pesel": "[PESEL]"}'),
        (f' [ {PESEL} , "x" ]', ' [ "[PESEL]" , "x" ]'),
        ('{"phone": "600100200"}', '{"phone": "[PHONE]"}'),  # the key is the label
        ('{"phone": 600100200, "order": 600100201}', '{"phone": "[PHONE]", "order": 600100201}'),
        ('{"password": "hunter2x"}', '{"password": "[PASSWORD]"}'),
        ('{"a": "tel.\\n600 100 200"}', '{"a": "tel.\\n[PHONE]"}'),
        ('{"jan@wp.pl": 1, "jan@wp.pl": 2}', '{"[EMAIL]": 1, "[EMAIL]": 2}'),
        ('{"inner": "{\\"pesel\\": 44051401359}"}', '{"inner": "{\\"pesel\\": \\"[PESEL]\\"}"}'),
        ('{"x": "\\ud83d jan@wp.pl ą"}', '{"x": "\\ud83d [EMAIL] \\u0105"}'),
        ('{broken "jan@wp.pl"', '{broken "[EMAIL]"'),
        ("[" * 100_000 + "jan@wp.pl", "[" * 100_000 + "[EMAIL]"),
    ],
)
def test_json_stays_json(before: str, after: str) -> None:
    assert masked(before) == after


def test_a_pseudonym_is_one_for_one_person_however_written() -> None:
    assert invented("85050112345".replace("85050112345", PESEL)) == invented("44 05 14 01359").replace(" ", "")
    assert invented("Jan@WP.pl") == invented("jan@wp.pl") == invented("jan (at) wp.pl")
    assert invented("tel. 600100200") == invented("+48 600 100 200")[4:].replace(" ", "")
    assert invented("NIP PL5260250274")[2:] == invented("526-025-02-74").replace("-", "")
    short, whole = invented("ul. Długa 5/12"), invented("ul. Długiej 5/12, 00-950 Warszawa")
    assert whole == short.replace("Przykładowa", "Przykładowej") + ", 00-000 Przykładowo"
    assert invented("jan@wp.pl") != invented("ola@wp.pl")
    assert invented("jan@wp.pl") != invented("jan@wp.pl", b"another key")


def test_pseudonyms_are_the_same_in_any_file_and_run() -> None:
    one = protect([Row(text=TEXT, file="a")], section("pseudonymise"), KEY)
    two = protect([Row(text="x"), Row(text="Nowy wiersz: " + TEXT, file="b")], section("pseudonymise"), KEY)
    assert two.rows[1].text == f"Nowy wiersz: {one.rows[0].text}"
    assert one.report.key_id == two.report.key_id == key_id(KEY)
    assert protect([Row(text=TEXT)], section("mask"), KEY).report.key_id == ""


def test_invented_numbers_keep_their_form_and_belong_to_nobody() -> None:
    for number in range(200):
        key = str(number).encode()
        new = invented(PESEL, key)
        assert re.fullmatch(r"\d\d99\d{7}", new)
        assert not pesel.is_valid(new)
        assert re.fullmatch(r"999-\d{3}-\d\d-\d\d", tax := invented("526-025-02-74", key))
        assert not nip.is_valid(tax)
        assert re.fullmatch(r"PL00 0\d{3}( \d{4}){5}", bank := invented("PL61 1090 1014 0000 0712 1981 2874", key))
        assert bank[2:4] == "00"
        assert re.fullmatch(r"000\d \d{4} \d{4} \d{4}", card := invented("4111 1111 1111 1111", key))
        assert not luhn.is_valid(card)
        assert re.fullmatch(r"\+48 00\d \d{3} \d{3}", invented("+48 600 100 200", key))
        assert re.fullmatch(r"\(000\) \d{3}-\d{4}", invented("(212) 555-2368", key))
        assert re.fullmatch(r"user-[a-z2-9]{10}@example\.com", invented("jan@wp.pl", key))
    assert iban.is_valid("PL61 1090 1014 0000 0712 1981 2874")


def test_secrets_have_no_pseudonym() -> None:
    text = "api_key = 5f4dcc3b5aa765d61d8327deb882cf99 password: Kot1234!"
    result = protect([Row(text=text)], section("pseudonymise"), KEY)
    assert result.rows[0].text == "api_key = [API_KEY] password: [PASSWORD]"
    assert [finding.message.rpartition("; ")[2] for finding in result.findings] == ["masked", "masked"]
    assert "Ko" not in result.findings[1].message


def test_a_name_keeps_its_form() -> None:
    woman = Span("name", 0, 13, "Anny Kowalskiej", "Anna Kowalska")
    assert re.fullmatch(r"[A-Z]\w+a [A-Z][a-z]+mirzecka", pseudonym(woman, KEY))
    assert pseudonym(woman, KEY) == pseudonym(Span("name", 9, 22, "Anna  Kowalska"), KEY)
    assert re.fullmatch(r"[A-Z][a-z]+mirzecki", pseudonym(Span("name", 0, 5, "Nowak"), KEY))


PIECES = [
    *(PESEL, "44 05 14 01359", "PL61109010140000071219812874", "61 1090 1014 0000 0712 1981 2874", "600 100 200"),
    *(
        "+48600100200",
        "tel. ",
        "NIP ",
        "5260250274",
        "526-025-02-74",
        "4111 1111 1111 1111",
        "jan@wp.pl",
        "ul. Długa 5",
    ),
    *(
        "00-950 Warszawa",
        "12 High Street",
        "password: ",
        "Kot1234!",
        "ghp_" + "a1B2" * 9,
        "(",
        ")",
        " ",
        "-",
        "+",
        "@",
        "0",
    ),
    *('{"phone": "', '"}', "[", ": ", "\n", "600100200", "(212) 555-2368", "0161 234 5678", "ą"),
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=9), st.sampled_from(["mask", "pseudonymise"]))
def test_what_was_protected_holds_nothing_more(parts: list[str], action: str) -> None:
    once = protect([Row(text="".join(parts))], section(action), KEY)
    again = protect(once.rows, section(action), KEY)
    assert again.findings == []
    assert again.rows[0] is once.rows[0]


def test_findings_and_report_never_hold_the_data() -> None:
    secrets = [PESEL, "600 100 200", "jan@wp.pl", "109010140000071219812874", "Kot1234!", "Długa"]
    text = f"{TEXT} hasło: Kot1234! ul. Długa 5"
    for action in ("report", "mask", "pseudonymise", "drop"):
        result = protect([Row(text=text)], section(action), KEY)
        told = " ".join(finding.message for finding in result.findings) + result.report.model_dump_json()
        assert not [secret for secret in secrets if secret in told]
        assert KEY.decode() not in told + repr(result)


@pytest.mark.slow
def test_workers_give_the_same() -> None:
    rows = [Row(text=f"{number}: {TEXT}" if number % 3 else "plain", file="f", line=number) for number in range(1500)]
    here = protect(rows, section("pseudonymise"), KEY)
    there = protect(rows, section("pseudonymise"), KEY, runner(2))
    assert (there.rows, there.findings, there.report) == (here.rows, here.findings, here.report)


def test_no_rows() -> None:
    result = protect([], section("mask"))
    assert (result.rows, result.findings, result.report.rows) == ([], [], 0)


@pytest.mark.skipif(not MESSY.is_file(), reason="the shared collection of broken files is not here")
def test_the_personal_data_of_a_real_file_is_found() -> None:
    line = json.loads(MESSY.read_text(encoding="utf-8").splitlines()[17])
    assert [span.kind for span in find(line["output"])] == ["pesel", "phone", "iban"]
    assert find(line["instruction"]) == []
