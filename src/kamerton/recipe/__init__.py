"""The recipe: what is asked of a run."""

from kamerton.recipe.augment import Augmentation, BackTranslation, Noise, Paraphrase, Substitution, Templates
from kamerton.recipe.clean import CleanSection, clean_options
from kamerton.recipe.data import CheckSection, DataSection
from kamerton.recipe.evaluation import EvaluationSection
from kamerton.recipe.gate import GateSection, Guard, Primary
from kamerton.recipe.leaks import LeakSection
from kamerton.recipe.load import RecipeSource, parse_recipe, read_recipe
from kamerton.recipe.method import FullMethod, LoraMethod, Method
from kamerton.recipe.mix import BalanceSection, MixSection, Replay
from kamerton.recipe.model import Architecture, ModelSection
from kamerton.recipe.privacy import PrivacyKind, PrivacySection
from kamerton.recipe.recipe import Recipe
from kamerton.recipe.resolve import ResolvedRecipe, Value, json_schema, resolve
from kamerton.recipe.source import ColumnRole, ShapeName, Source
from kamerton.recipe.split import SplitSection
from kamerton.recipe.tracking import TrackingSection
from kamerton.recipe.training import TrainingSection

__all__ = [
    "Architecture",
    "Augmentation",
    "BackTranslation",
    "BalanceSection",
    "CheckSection",
    "CleanSection",
    "ColumnRole",
    "DataSection",
    "EvaluationSection",
    "FullMethod",
    "GateSection",
    "Guard",
    "LeakSection",
    "LoraMethod",
    "Method",
    "MixSection",
    "ModelSection",
    "Noise",
    "Paraphrase",
    "Primary",
    "PrivacyKind",
    "PrivacySection",
    "Recipe",
    "RecipeSource",
    "Replay",
    "ResolvedRecipe",
    "ShapeName",
    "Source",
    "SplitSection",
    "Substitution",
    "Templates",
    "TrackingSection",
    "TrainingSection",
    "Value",
    "clean_options",
    "json_schema",
    "parse_recipe",
    "read_recipe",
    "resolve",
]
