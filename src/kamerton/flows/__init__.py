"""Flows: the only place where rooms meet; each flow reads like a recipe."""
