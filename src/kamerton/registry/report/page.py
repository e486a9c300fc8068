"""A document in one language, ready for HTML or Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kamerton.registry.report.blocks import Page
from kamerton.registry.report.language import Language
from kamerton.registry.report.page_lineage import environment_section, lineage_section, rebuild_section
from kamerton.registry.report.page_results import examples_section, results_section
from kamerton.registry.report.page_training import data_section, training_section
from kamerton.registry.report.summary import cards, verdict, warnings

__all__ = ["build_page"]


def build_page(document: Mapping[str, Any], code: str) -> Page:
    """Everything that is read, in the order in which it is read.

    Raises:
        RequestError: there is no such language.
    """
    language = Language(code)
    sections = [
        results_section(document, language),
        training_section(document, language),
        data_section(document, language),
        examples_section(document, language),
        lineage_section(document, language),
        environment_section(document, language),
        rebuild_section(document, language),
    ]
    return Page(
        language=code,
        title=document["name"],
        kicker=language.say("Report on a fine-tuned model"),
        subtitle=language.say(
            "Run {run}, finished {moment}", run=document["run_id"], moment=language.moment(document["finished"])
        ),
        verdict=verdict(document, language),
        warnings=warnings(document, language),
        cards=cards(document, language),
        sections=[section for section in sections if section is not None],
        footer=[
            language.say(
                "Made by Kamerton {version} from records alone.", version=document["lineage"]["code"]["version"]
            )
        ],
        contents=language.say("Contents"),
    )
