"""Models: load, create, adapt, generate and score."""
