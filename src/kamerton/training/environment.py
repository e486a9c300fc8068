"""The determinism contract: what is switched on before a run, and what must be equal for equal bits."""

from __future__ import annotations

import platform
import random
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from kamerton.ground.digests import digest, file_digest
from kamerton.ground.functions import source_digest
from kamerton.ground.numerics import settled
from kamerton.records import CodeLineage, Environment
from kamerton.training.contract import refuse_luck
from kamerton.training.machine import processor

__all__ = ["capture_code", "capture_environment", "class_differences", "make_deterministic"]

_PACKAGES = ("accelerate", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers")
_VECTOR_PREFIXES = ("avx", "amx", "fma", "sse4", "neon", "asimd", "sve")


def make_deterministic(seed: int, threads: int) -> None:
    """Seed every generator and forbid kernels whose result depends on luck.

    Raises:
        MachineError: the numeric libraries were set up in a way that cannot be exact.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    refuse_luck(threads)


def capture_environment(device: torch.device, threads: int, probe: str = "", processes: int = 1) -> Environment:
    """The machine and the packages, as far as bits depend on them.

    Args:
        threads: of each process.
        probe: hash of the class probe (`kamerton.training.probe`); empty where it was not run.
        processes: how many share the run.
    """
    name, flags = processor()
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        device=_device_name(device),
        cpu=name,
        instruction_sets=sorted(flag for flag in flags if flag.startswith(_VECTOR_PREFIXES)),
        capability=torch.backends.cpu.get_cpu_capability(),
        threads=threads,
        processes=processes,
        settings=settled(),
        packages={package: metadata.version(package) for package in _PACKAGES},
        probe=probe,
    )


def class_differences(recorded: Environment, here: Environment) -> list[str]:
    """One sentence for each way in which this machine is of another class than the recorded one; empty for none.

    Two class probes that differ are a difference too. Where they agree and the classes do not, the last sentence says
    so: the versions or flags that differ then change nothing of what the probe computes.
    """
    ours, theirs = here.machine_class, recorded.machine_class
    sentences = []
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        if isinstance(mine, dict) and isinstance(other, dict):
            parts = sorted(part for part in mine.keys() | other.keys() if mine.get(part) != other.get(part))
            sentences += [f"{part}: recorded {other.get(part)!r}, here {mine.get(part)!r}" for part in parts]
        elif isinstance(mine, list) and isinstance(other, list) and mine != other:
            missing, more = sorted(set(other) - set(mine)), sorted(set(mine) - set(other))
            sentences.append(f"{key}: missing here {missing or 'none'}, only here {more or 'none'}")
        elif mine != other:
            sentences.append(f"{key}: recorded {other!r}, here {mine!r}")
    return sentences + _probe_sentence(recorded.probe, here.probe, bool(sentences))


def _probe_sentence(recorded: str, here: str, class_differs: bool) -> list[str]:
    """What was measured, beside what was listed; nothing where one of the two was not measured."""
    if not recorded or not here:
        return []
    if recorded != here:
        return [f"probe: recorded {recorded}, here {here}: the same small training comes out otherwise on this machine"]
    return (
        [f"probe: {here} on both, so that the arithmetic agrees although the classes differ"] if class_differs else []
    )


def capture_code(functions: Iterable[str] = ()) -> CodeLineage:
    """The package's version and, where it runs from a Git checkout, its revision and uncommitted difference.

    Args:
        functions: those of the user's own that take part, as `module:function`.
    """
    return CodeLineage(functions={name: source_digest(name) for name in functions}, **_package())


def _package() -> dict[str, str]:
    source = Path(__file__).parents[1]
    version = metadata.version("kamerton")
    # A package installed inside the checkout of something else has that checkout's revision, but is not tracked in it.
    tracked = _git(source, "ls-files", "--error-unmatch", "__init__.py")
    revision = _git(source, "rev-parse", "HEAD")
    if not tracked or not revision:
        return {"version": version}
    difference = _git(source, "diff", "HEAD", "--", ".")
    added = _git(source, "ls-files", "-z", "--others", "--exclude-standard").split("\0")
    dirty = {"difference": difference, "added": {name: file_digest(source / name) for name in added if name}}
    return {"version": version, "revision": revision, "dirty": digest(dirty) if difference or any(added) else ""}


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    tracked = done.returncode == 0
    return done.stdout.strip() if tracked else ""


def _device_name(device: torch.device) -> str:
    if device.type != "cuda":
        return "cpu"
    major, minor = torch.cuda.get_device_capability(device)
    return f"{torch.cuda.get_device_name(device)} (compute {major}.{minor}, CUDA {torch.version.cuda})"
