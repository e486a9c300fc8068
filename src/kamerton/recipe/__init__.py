"""The recipe: what is asked of a run."""

from kamerton.recipe.alarms import AlarmsSection
from kamerton.recipe.augment import Augmentation, BackTranslation, Noise, Paraphrase, Substitution, Templates
from kamerton.recipe.clean import CleanSection, clean_options
from kamerton.recipe.compute import ComputeSection, OptimizerSection, ParallelSection
from kamerton.recipe.data import CheckSection, DataSection
from kamerton.recipe.evaluation import EvaluationSection
from kamerton.recipe.gate import GateSection, Guard, Primary
from kamerton.recipe.leaks import LeakSection
from kamerton.recipe.llamafactory import Translation
from kamerton.recipe.load import RecipeSource, parse_recipe, read_recipe
from kamerton.recipe.method import (
    AdapterMethod,
    FreezeMethod,
    FullMethod,
    Ia3Method,
    LoraMethod,
    Method,
    OftMethod,
    PrefixMethod,
    PromptMethod,
    PTuningMethod,
    VirtualMethod,
)
from kamerton.recipe.method_rules import method_faults, method_warnings
from kamerton.recipe.mix import BalanceSection, MixSection, Replay
from kamerton.recipe.model import Architecture, ModelSection
from kamerton.recipe.objective import (
    ClassificationObjective,
    DpoObjective,
    GrpoObjective,
    KtoObjective,
    Objective,
    OrpoObjective,
    PretrainObjective,
    RewardObjective,
    SftObjective,
    SimpoObjective,
)
from kamerton.recipe.objective_rules import objective_faults, objective_warnings
from kamerton.recipe.privacy import PrivacyKind, PrivacySection
from kamerton.recipe.recipe import Recipe
from kamerton.recipe.resolve import Derived, ResolvedRecipe, Value, json_schema, resolve
from kamerton.recipe.source import ColumnRole, ShapeName, Source
from kamerton.recipe.split import SplitSection
from kamerton.recipe.tracking import TrackingSection
from kamerton.recipe.training import EarlyStopping, EwcSection, TrainingSection

__all__ = [
    "AdapterMethod",
    "AlarmsSection",
    "Architecture",
    "Augmentation",
    "BackTranslation",
    "BalanceSection",
    "CheckSection",
    "ClassificationObjective",
    "CleanSection",
    "ColumnRole",
    "ComputeSection",
    "DataSection",
    "Derived",
    "DpoObjective",
    "EarlyStopping",
    "EvaluationSection",
    "EwcSection",
    "FreezeMethod",
    "FullMethod",
    "GateSection",
    "GrpoObjective",
    "Guard",
    "Ia3Method",
    "KtoObjective",
    "LeakSection",
    "LoraMethod",
    "Method",
    "MixSection",
    "ModelSection",
    "Noise",
    "Objective",
    "OftMethod",
    "OptimizerSection",
    "OrpoObjective",
    "PTuningMethod",
    "ParallelSection",
    "Paraphrase",
    "PrefixMethod",
    "PretrainObjective",
    "Primary",
    "PrivacyKind",
    "PrivacySection",
    "PromptMethod",
    "Recipe",
    "RecipeSource",
    "Replay",
    "ResolvedRecipe",
    "RewardObjective",
    "SftObjective",
    "ShapeName",
    "SimpoObjective",
    "Source",
    "SplitSection",
    "Substitution",
    "Templates",
    "TrackingSection",
    "TrainingSection",
    "Translation",
    "Value",
    "VirtualMethod",
    "clean_options",
    "json_schema",
    "method_faults",
    "method_warnings",
    "objective_faults",
    "objective_warnings",
    "parse_recipe",
    "read_recipe",
    "resolve",
]
