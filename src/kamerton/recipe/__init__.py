"""The recipe: what is asked of a run."""

from kamerton.recipe.data import CheckSection, CleanSection, DataSection, SplitSection
from kamerton.recipe.evaluation import EvaluationSection
from kamerton.recipe.gate import GateSection, Guard, Primary
from kamerton.recipe.load import RecipeSource, parse_recipe, read_recipe
from kamerton.recipe.method import FullMethod, LoraMethod, Method
from kamerton.recipe.model import Architecture, ModelSection
from kamerton.recipe.recipe import Recipe
from kamerton.recipe.resolve import ResolvedRecipe, Value, json_schema, resolve
from kamerton.recipe.tracking import TrackingSection
from kamerton.recipe.training import TrainingSection

__all__ = [
    "Architecture",
    "CheckSection",
    "CleanSection",
    "DataSection",
    "EvaluationSection",
    "FullMethod",
    "GateSection",
    "Guard",
    "LoraMethod",
    "Method",
    "ModelSection",
    "Primary",
    "Recipe",
    "RecipeSource",
    "ResolvedRecipe",
    "SplitSection",
    "TrackingSection",
    "TrainingSection",
    "Value",
    "json_schema",
    "parse_recipe",
    "read_recipe",
    "resolve",
]
