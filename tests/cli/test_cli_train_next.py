"""After a training: the next command is one that works."""

from __future__ import annotations

from pathlib import Path

from tiny_project import kamerton, write_project


def test_a_run_without_a_test_part_is_evaluated_on_a_file(tmp_path: Path, tiny_base: Path) -> None:
    write_project(tmp_path, tiny_base)
    without = ("data.split.test=0", "data.check.min_test_rows=0")
    trained = kamerton(tmp_path, "train", "recipe.yaml", "training.max_steps=1", *without)
    assert trained.code == 0, trained.err
    assert "--on FILE\n" in trained.out + trained.err
