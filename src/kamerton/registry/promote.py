"""Aliases move with evidence: what is asked before a promotion, and the way back."""

from __future__ import annotations

from kamerton.ground.errors import RequestError, StorageError, VerdictError
from kamerton.recipe import GateSection
from kamerton.records import RunRecord
from kamerton.records.comparison import ComparisonRecord
from kamerton.records.decision import Decision
from kamerton.registry.aliases import Alias, AliasMove
from kamerton.registry.evidence import verify
from kamerton.registry.gate import decide
from kamerton.registry.versions import ModelVersion, Registry

__all__ = ["objections", "promote", "rollback"]


def promote(registry: Registry, name: str, ref: str, alias: Alias, reason: str = "") -> tuple[Decision, AliasMove]:
    """Move `staging` or `production` to the version at `@NUMBER` or `@ALIAS`, if its evidence allows it.

    Raises:
        VerdictError: the evidence is missing, damaged, of another model, or against it; all reasons are told.
        RequestError: no such model, version or alias; `candidate` is given by registration alone.
        StorageError: a file of the model is missing or was changed.
    """
    if alias == "candidate":
        raise RequestError("candidate is the newest registered version", where=alias, expected="staging or production")
    with registry.changing(name):
        registry.holder(name, alias)  # an unknown alias is refused before any hashing
        version = registry.resolve(f"{name}@{ref.removeprefix('@')}")
        if reasons := objections(version):
            raise VerdictError(
                "the gate is closed:\n    " + "\n    ".join(reasons),
                where=f"{name}@{version.version} -> {alias}",
                mend=f"kamerton registry show {name}@{version.version} shows the evidence",
            )
        decision = Decision.read(version.evidence.path("decision.json"))
        move = AliasMove(
            alias=alias,
            action="promote",
            before=None,
            after=version.version,
            reason=reason,
            decision=decision.digest,
            evidence=version.evidence.digest,
        )
        return decision, registry.move(move, name)


def rollback(registry: Registry, name: str, alias: Alias, reason: str) -> AliasMove:
    """Move an alias back to the version that had it before.

    Raises:
        RequestError: nothing was there before, or no reason is given.
        StorageError: a file of the earlier version is missing or was changed.
    """
    if not reason.strip():
        raise RequestError("a rollback needs a reason", where=f"{name}@{alias}", expected="a sentence for the history")
    with registry.changing(name):
        holder = registry.holder(name, alias)
        stack = registry.history(name).stack(alias)
        if holder is not None and stack[-1:] != [holder]:
            stack.append(holder)
        if holder is None or len(stack) < 2:
            raise RequestError("there is no earlier version to go back to", where=f"{name}@{alias}")
        earlier = registry.resolve(f"{name}@{stack[-2]}")
        move = AliasMove(alias=alias, action="rollback", before=holder, after=earlier.version, reason=reason)
        return registry.move(move, name)


def objections(version: ModelVersion) -> list[str]:
    """Why the evidence does not allow this version to be promoted, a sentence each; empty when it does.

    The decision is made again from the comparisons, so that neither a hand-edited decision nor one under another
    policy than the recipe's opens the gate.
    """
    evidence = version.evidence
    if problems := verify(evidence):
        return [f"evidence: {problem}" for problem in problems]
    if "record.json" not in evidence.manifest():
        return ["evidence: record.json is missing"]
    try:
        run = RunRecord.read(evidence.path("record.json"))
        if run.recipe.get("gate") is None:
            return ["the recipe has no gate, so nothing can allow a promotion"]
        if "decision.json" not in evidence.manifest():
            return ["evidence: decision.json is missing"]
        decision = Decision.read(evidence.path("decision.json"))
        files = evidence.digests()
        comparisons = _comparisons(version, decision, files)
        policy = GateSection.model_validate(run.recipe["gate"])
    except (StorageError, ValueError) as error:
        return [f"evidence: not readable: {error}"]
    found = []
    if (run.run_id, run.result.model_sha256) != (version.run_id, version.model_sha256):
        found.append(f"record.json is of the run {run.run_id}, this version of {version.run_id}")
    if decision.model_sha256 != version.model_sha256:
        found.append(f"the decision is about the model {decision.model_sha256[:12]}, not {version.model_sha256[:12]}")
    if decision.policy != policy.model_dump(mode="json"):
        found.append("the decision was made under another policy than the recipe's gate")
    absent_sets = sorted(set(decision.comparisons) - {comparison.set_name for comparison in comparisons})
    found += [f"the comparison on {name} that the decision rests on is not in the evidence" for name in absent_sets]
    for comparison in comparisons:
        lacking = [model for model, seal in comparison.evaluations.items() if seal not in files.values()]
        found += [f"the evaluation of {model} on {comparison.set_name} is not in the evidence" for model in lacking]
    if found:
        return found
    if decide(comparisons, policy, version.model_sha256) != decision:
        return ["the decision does not follow from its comparisons"]
    return [reason.text for reason in decision.reasons if not reason.passed]


def _comparisons(version: ModelVersion, decision: Decision, files: dict[str, str]) -> list[ComparisonRecord]:
    by_seal = {seal: name for name, seal in files.items()}
    names = [by_seal[seal] for seal in decision.comparisons.values() if seal in by_seal]
    return [ComparisonRecord.read(version.evidence.path(name)) for name in names]
