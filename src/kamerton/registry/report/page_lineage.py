"""The chapters on where the model comes from, on what machine, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from kamerton.registry.report.blocks import Block, Cell, Command, Facts, Fold, Lineage, Node, Note, Section, Table
from kamerton.registry.report.language import EM_DASH, Language
from kamerton.registry.report.page_results import missing
from kamerton.registry.report.page_training import short
from kamerton.registry.report.terms import capital, part_name, record_name

__all__ = ["environment_section", "lineage_section", "rebuild_section"]


def lineage_section(document: Mapping[str, Any], language: Language) -> Section:
    """What went in, by digest, and what came out."""
    lineage = document["lineage"]
    result = lineage["result"]
    model = Node(
        language.say("Model"),
        document["name"],
        result["model_sha256"],
        language.say_n("sealed by {count} step of the trace", "sealed by {count} steps of the trace", result["steps"]),
    )
    files = _digests(language.say("Files of the model"), result["files"], language)
    folds: list[Fold] = [
        Fold(language.say("All digests"), [Facts(_digest_facts(lineage, language)), files]),
        Fold(
            language.say("The whole recipe"),
            [Command("", yaml.safe_dump(lineage["recipe"], allow_unicode=True, sort_keys=False).rstrip())],
        ),
    ]
    folds.append(Fold(language.say("Records that this report shows"), [_records(document, language)]))
    lead = language.say("The model is a function of these four; change one digit of any and it is another model.")
    return Section("lineage", language.say("Lineage"), lead, [Lineage(_origins(lineage, language), model), *folds])


def _origins(lineage: Mapping[str, Any], language: Language) -> list[Node]:
    data, base, code = lineage["data"], lineage["base"], lineage["code"]
    rows = sum(part["rows"] for part in data["parts"].values())
    versions = ", ".join(dict.fromkeys(data["versions"].values()))
    revision = code["revision"][:12] or EM_DASH
    if code["dirty"]:
        revision = language.say("{revision} with uncommitted changes", revision=revision)
    return [
        Node(
            language.say("Data"),
            versions or language.say("not committed"),
            data["fingerprint"],
            language.say_n("{count} row", "{count} rows", rows),
        ),
        Node(
            language.say("Base"),
            base["name"] + (f"@{base['revision'][:12]}" if base["revision"] else ""),
            next(iter(base["weights"].values()), ""),
            language.say(
                "{trainable} of {parameters} parameters trained",
                trainable=language.count(base["trainable"]),
                parameters=language.count(base["parameters"]),
            ),
        ),
        Node(
            language.say("Recipe"),
            str(lineage["recipe"].get("name") or EM_DASH),
            lineage["recipe_digest"],
            language.say("every value is recorded"),
        ),
        Node(language.say("Code"), f"kamerton {code['version']}", code["dirty"], revision),
    ]


def _digest_facts(lineage: Mapping[str, Any], language: Language) -> list[tuple[str, Cell]]:
    data, base, result = lineage["data"], lineage["base"], lineage["result"]
    facts = [
        (language.say("Weights of the model"), result["model_sha256"]),
        (language.say("Head of the trace"), result["trace_head"]),
        (language.say("Recipe"), lineage["recipe_digest"]),
        (language.say("All rows"), data["fingerprint"]),
        *(
            (language.say("Part: {name}", name=part_name(language, name)), part["fingerprint"])
            for name, part in data["parts"].items()
        ),
        *((language.say("File: {name}", name=name), value) for name, value in data["sources"].items()),
        *((language.say("Base: {name}", name=name), value) for name, value in base["weights"].items()),
        (language.say("Tokenizer"), base["tokenizer"]),
        (language.say("Chat template"), base["template"]),
    ]
    return [(name, short(value)) for name, value in facts]


def _records(document: Mapping[str, Any], language: Language) -> Table:
    head = [language.say("Record"), language.say("Of"), "SHA-256"]
    rows = [
        [Cell(capital(record_name(language, each["kind"]))), Cell(each["of"] or EM_DASH), short(each["digest"])]
        for each in document["records"]
    ]
    return Table("", head, rows)


def _digests(caption: str, files: Mapping[str, str], language: Language) -> Table:
    rows = [[Cell(name, code=True), short(value)] for name, value in sorted(files.items())]
    return Table(caption, [language.say("File"), "SHA-256"], rows)


def environment_section(document: Mapping[str, Any], language: Language) -> Section:
    """The machine, as far as bits depend on it."""
    machine = document["environment"]
    facts = [
        (language.say("Device"), Cell(machine["device"])),
        (language.say("Processor"), Cell(machine["cpu"] or EM_DASH)),
        (language.say("Threads"), Cell(language.count(machine["threads"]))),
        (language.say("Kernels"), Cell(machine["capability"])),
        (language.say("Vector extensions"), Cell(", ".join(machine["instruction_sets"]) or EM_DASH)),
        ("Python", Cell(machine["python"])),
        (language.say("System"), Cell(machine["platform"])),
        (language.say("Machine class"), Cell(machine["class_digest"], code=True)),
    ]
    packages = [[Cell(name, code=True), Cell(version)] for name, version in sorted(machine["packages"].items())]
    settings = [[Cell(name, code=True), Cell(value or EM_DASH)] for name, value in sorted(machine["settings"].items())]
    name, version, value = language.say("Package"), language.say("Version"), language.say("Value")
    blocks: list[Block] = [
        Facts(facts),
        Fold(
            language.say("Packages that compute"),
            [Table("", [name, version], packages)],
        ),
        Fold(
            language.say("Settings that change bits"),
            [Table("", [language.say("Setting"), value], settings)],
        ),
    ]
    lead = language.say("Equal bits are promised on machines of the same class only.")
    return Section("environment", language.say("Environment"), lead, blocks)


def rebuild_section(document: Mapping[str, Any], language: Language) -> Section:
    """The command that makes the model again, and what came of it."""
    title = language.say("Rebuild")
    lead = language.say("One command trains the model again from its record and compares the bytes.")
    command = Command(language.say("To repeat the proof:"), document["rebuild_command"])
    rebuild = document["rebuild"]
    if rebuild is None:
        return Section("rebuild", title, lead, missing(document, language, "rebuild"))
    blocks: list[Block] = [_outcome(rebuild, language)]
    blocks += [Note(sentence, "bad") for sentence in rebuild["what_changed"]]
    facts = [
        (language.say("Recorded weights"), short(rebuild["recorded_sha256"])),
        (language.say("Rebuilt weights"), short(rebuild["rebuilt_sha256"] or "")),
        (language.say("Finished"), Cell(language.moment(rebuild["finished"]))),
        (language.say("Time"), Cell(language.duration(rebuild["seconds"]))),
    ]
    if rebuild["first_different_step"] is not None:
        facts.append((language.say("First different step"), Cell(language.count(rebuild["first_different_step"]))))
        facts.append((language.say("What differs there"), Cell(", ".join(rebuild["different_fields"]) or EM_DASH)))
    blocks.append(Facts(facts))
    if not rebuild["machine_class_equal"]:
        blocks.append(
            Note(
                language.say("The rebuild ran on another class of machine, where equal bits are not promised:"), "quiet"
            )
        )
        blocks += [Note(sentence, "quiet") for sentence in rebuild["class_differences"]]
    return Section("rebuild", title, lead, [*blocks, command])


def _outcome(rebuild: Mapping[str, Any], language: Language) -> Note:
    if rebuild["identical"]:
        return Note(language.say("Rebuilt byte for byte: both files of weights have the same SHA-256."), "good")
    if rebuild["rebuilt_sha256"] is None:
        return Note(language.say("The rebuild stopped before it made weights."), "bad")
    return Note(language.say("The rebuilt weights differ from the recorded ones."), "bad")
