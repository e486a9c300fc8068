"""Names by a spaCy model that the user brings."""

import importlib.util
import sys
from pathlib import Path

import pytest

from kamerton.data.privacy import find, protect
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError, MissingExtraError
from kamerton.recipe.privacy import PrivacySection

KEY = b"a key of the tests, not a secret"
needs_spacy = pytest.mark.skipif(
    importlib.util.find_spec("spacy") is None, reason="spaCy is not installed (extra `names`)"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    import spacy

    pipeline = spacy.blank("pl")
    ruler = pipeline.add_pipe("entity_ruler")
    patterns = [("persName", "Jan Kowalski"), ("persName", "Anna Nowak"), ("placeName", "Jan Mayen")]
    ruler.add_patterns([{"label": label, "pattern": text} for label, text in patterns])
    folder = tmp_path_factory.mktemp("names") / "model"
    pipeline.to_disk(folder)
    return str(folder)


@needs_spacy
def test_persons_are_found_places_are_not(model: str) -> None:
    text = "Wczoraj Jan Kowalski był na Jan Mayen, pisał do jan@wp.pl."
    spans = find(text, {"name", "email"}, names_model=model)
    assert [(span.kind, span.text) for span in spans] == [("name", "Jan Kowalski"), ("email", "jan@wp.pl")]


@needs_spacy
def test_names_get_masks_and_pseudonyms(model: str) -> None:
    options = PrivacySection(action="mask", kinds=["name"], names_model=model)
    rows = [Row(text="Jan Kowalski i Anna Nowak"), Row(text="Znów Jan Kowalski"), Row(text="nikt")]
    assert protect(rows, options).rows[0].text == "[NAME] i [NAME]"
    result = protect(rows, options.model_copy(update={"action": "pseudonymise"}), KEY)
    first, second = str(result.rows[0].text), str(result.rows[1].text)
    assert first.split(" i ")[0] == second.removeprefix("Znów ")
    assert "Kowalski" not in first
    assert result.report.names_model == model
    again = protect(result.rows, options, KEY)
    assert again.findings == []


@needs_spacy
def test_a_missing_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        find("x", {"name"}, names_model=str(tmp_path / "none"))
    with pytest.raises(DataError, match="no model of names"):
        find("x", {"name"})


@needs_spacy
def test_a_model_that_marks_nothing_is_said(tmp_path: Path) -> None:
    import spacy

    spacy.blank("pl").to_disk(tmp_path / "blank")
    with pytest.raises(DataError, match="marks no entities"):
        find("x", {"name"}, names_model=str(tmp_path / "blank"))


def test_without_spacy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match=r"kamerton\[names\]"):
        protect([Row(text="x")], PrivacySection(kinds=["name"], names_model="no model"))
