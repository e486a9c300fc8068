"""Which weights of a model move, by method, and what a finished model's folder holds."""

from kamerton.models.methods.apply import apply_method, parameter_groups, trainable_parameters
from kamerton.models.methods.finished import WEIGHTS, load_finished, merged, save_finished

__all__ = [
    "WEIGHTS",
    "apply_method",
    "load_finished",
    "merged",
    "parameter_groups",
    "save_finished",
    "trainable_parameters",
]
