"""What is found in one text, what is not, and where."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kamerton.data.privacy import KINDS, find, find_all
from kamerton.data.privacy.spans import Span, without_overlaps

PESEL, NIP, REGON = "44051401359", "5260250274", "192598184"
IBAN = "PL61109010140000071219812874"
KEY = "ghp_" + "aX1bY2cZ3" * 4
HEX = "5f4dcc3b5aa765d61d8327deb882cf99"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEow0AbC+/xQ7tR2kL9pVnW4sY\n" * 5 + "-----END RSA PRIVATE KEY-----"


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, span.text) for span in find(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (f"PESEL {PESEL}.", "pesel", PESEL),
        (f"PESEL{PESEL}", "pesel", PESEL),
        (f"{PESEL},Jan,2", "pesel", PESEL),
        ("44 05 14 01359 i inne", "pesel", "44 05 14 01359"),
        ("pesel: 440-514-013-59", "pesel", "440-514-013-59"),
        (f"NIP: {NIP}", "nip", NIP),
        ("526-025-02-74", "nip", "526-025-02-74"),
        ("VAT PL5260250274 ok", "nip", "PL5260250274"),
        (f"Regon {REGON}", "regon", REGON),
        (f"nr {IBAN}", "iban", IBAN),
        ("61 1090 1014 0000 0712 1981 2874 BANK", "iban", "61 1090 1014 0000 0712 1981 2874"),
        ("GB29 NWBK 6016 1331 9268 19 thanks", "iban", "GB29 NWBK 6016 1331 9268 19"),
        ("gb29nwbk60161331926819", "iban", "gb29nwbk60161331926819"),
        ("karta 4111 1111 1111 1111, 12/27", "card", "4111 1111 1111 1111"),
        ("3782 822463 10005", "card", "3782 822463 10005"),
        ("<Jan.Nowak+x@Poczta.pl>", "email", "Jan.Nowak+x@Poczta.pl"),
        ("żółw@łąka.pl!", "email", "żółw@łąka.pl"),
        ("jan [at] firma [dot] pl", "email", "jan [at] firma [dot] pl"),
        ("jan (małpa) firma.pl", "email", "jan (małpa) firma.pl"),
        ("jan@wp.pl:haslo", "email", "jan@wp.pl"),
        ("600 100 200", "phone", "600 100 200"),
        ("tel.600100200", "phone", "600100200"),
        ("(22) 123 45 67", "phone", "(22) 123 45 67"),
        ("(+48) 600 100 200", "phone", "(+48) 600 100 200"),
        ("(+48 600 100 200)", "phone", "+48 600 100 200"),
        ("0048 600-100-200", "phone", "0048 600-100-200"),
        ("+48 600 100 200 15 osób", "phone", "+48 600 100 200"),
        ("+44 (0)20 7123 4567", "phone", "+44 (0)20 7123 4567"),
        ("call (212) 555-2368", "phone", "(212) 555-2368"),
        ("mobile 07911 123456", "phone", "07911 123456"),
        ("w ul. Długiej 5/12, 00-950 Warszawa", "address", "ul. Długiej 5/12, 00-950 Warszawa"),
        ("na ulicy 3 Maja 15.", "address", "ulicy 3 Maja 15"),
        ("os. Tysiąclecia 12 m. 4", "address", "os. Tysiąclecia 12 m. 4"),
        ("al. Jana Pawła II 12A", "address", "al. Jana Pawła II 12A"),
        ("przy pl. Wolności 3", "address", "pl. Wolności 3"),
        ("Kowalewo 12, 06-400 Ciechanów", "address", "Kowalewo 12, 06-400 Ciechanów"),
        ("at 221B Baker Street, London NW1 6XE.", "address", "221B Baker Street, London NW1 6XE"),
        ("Flat 3, 12 High St", "address", "Flat 3, 12 High St"),
        ("P.O. Box 17", "address", "P.O. Box 17"),
        (f"token {KEY}", "api_key", KEY),
        (f'"api_key": "{HEX}"', "api_key", HEX),
        (f"Authorization: Bearer {HEX}", "token", HEX),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2Q", "token", None),
        ("postgres://app:s3cr3tpw@db/x", "password", "s3cr3tpw"),
        ("hasło: Kot1234!", "password", "Kot1234!"),
        ("DB_PASSWORD=Qwerty!23", "password", "Qwerty!23"),
        (f"key:\n{PEM}\nend", "private_key", PEM),
    ],
)
def test_found(text: str, kind: str, value: str | None) -> None:
    assert found(text) == [(kind, value or text)]


@pytest.mark.parametrize(
    "text",
    [
        "44051401358",  # wrong check digit
        "PESEL 44999901359",
        "0.44051401359",
        f"nr {NIP}",  # a check digit alone proves little
        f"zamówienie {REGON}",
        "PL61109010140000071219812875",
        "PL00109010140000071219812874",
        "4111 1111 1111 1112",
        "order no. 4111111111111111",
        "9788301123456 978-83-01-12345-6",
        "550e8400-e29b-41d4-a716-446655440000",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "obrót 600 100 250 zł",
        "$600 100 250",
        "wydano 600 100 000 egz.",
        "tel. 2019-2020, tel. 12.05.2023",
        "192.168.100.200 10.0.19041.1237",
        "555-0142, 212-555-0142, 020 7946 0018",
        "472547338 + 960397912423",
        "jan@example.com biuro@sub.example.org a@b.test",
        "git@github.com:a/b.git lodash@4.17.21 logo@2x.png @ala",
        "Dz.U. 2016 poz. 679, art. 15 ust. 3 pkt 2 lit. a",
        "ul. Długa jest długa",
        "Na ulicy było 500 osób, na placu Zamkowym 1989 roku",
        "In 1929 Wall Street fell",
        "str. 12-345 Nowak; pp. 10-150 Smith",
        "ul. Przykładowa 1, 00-000 Miasto",
        "AKIAIOSFODNN7EXAMPLE sk-your-key-here",
        'api_key = os.environ["KEY"]; password = input("x")',
        "postgres://user:password@localhost/db",
        "hasło: ******** password: ${DB_PASSWORD}",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "overpass is constructed.[10] hotel nip snippet",
        "[PESEL] [EMAIL] [PHONE] [ADDRESS] [API_KEY] password=[PASSWORD]",
        "",
        "7",
    ],
)
def test_not_found(text: str) -> None:
    assert found(text) == []


def test_the_nearest_label_decides() -> None:
    text = f"NIP {NIP}, REGON {REGON}, KRS 0000123456, tel. 221234567, zam. nr 601234567"
    assert [span.kind for span in find(text)] == ["nip", "regon", "phone"]


def test_kinds_choose_what_is_told_not_what_is_known() -> None:
    text = f"{IBAN} i 600 100 200"
    assert [span.kind for span in find(text, {"phone"})] == ["phone"]
    assert find(f"konto {IBAN}", {"phone", "card"}) == []


def test_offsets_are_code_points() -> None:
    text = f"𝄞 ząb 👩‍👩‍👧 {PESEL} é"
    (span,) = find(text)
    assert (span.start, text[span.start : span.end]) == (text.index("4"), PESEL)


def test_of_two_claims_the_surer_stays() -> None:
    spans = [Span("phone", 0, 9, "x" * 9), Span("pesel", 5, 16, "x" * 11), Span("email", 16, 20, "abcd")]
    assert [span.kind for span in without_overlaps(spans)] == ["pesel", "email"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([PESEL, IBAN, KEY, "a@b.pl", "ul. Ą ", " tel. ", "(", "+48 ", "600 100 200", "@", "="]))
)
def test_spans_stand_where_they_say_and_do_not_overlap(parts: list[str]) -> None:
    text = "".join(parts)
    spans = find(text)
    assert all(text[span.start : span.end] == span.text for span in spans)
    assert all(one.end <= two.start for one, two in pairwise(spans))


@given(st.text())
def test_any_text_is_searched(text: str) -> None:
    assert {span.kind for span in find(text)} <= KINDS
    assert find("\ud800" + text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "a@" * 50_000,
        "1 " * 50_000,
        "ul. Aa 5 " * 10_000,
        "ul. " + "A " * 50_000,
        "-----BEGIN PRIVATE KEY-----" * 4_000,
        "http://a:" * 10_000 + "@",
        "password=" * 10_000,
        "a (at) " + "a [dot] " * 10_000,
        "12 " + "Aa " * 30_000,
    ],
)
def test_hostile_texts_take_no_longer(text: str) -> None:
    start = time.process_time()
    find(text)
    assert time.process_time() - start < 2  # quadratic time would be minutes


def test_many_texts_are_searched_as_one_each() -> None:
    texts = [f"PESEL {PESEL}", "nic", "a@b.pl"]
    assert find_all(texts) == [find(text) for text in texts]
