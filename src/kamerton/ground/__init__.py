"""Ground: errors, digests, atomic files, settings and seeded randomness. Standard library only."""
