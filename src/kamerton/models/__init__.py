"""Models: load, create, adapt, generate and score."""

from kamerton.ground.numerics import settle

# The switches must be set before any module of this room imports torch.
settle()
