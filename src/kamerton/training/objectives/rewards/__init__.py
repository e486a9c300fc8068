"""Rewards that can be verified: functions that judge an answer by its text, one file each.

| in the recipe | 1 where |
|---|---|
| `exact_match` | the answer is the row's own |
| `form:PATTERN` | the whole answer matches a regular expression |
| `regex:PATTERN` | the pattern is found; with a group, where the group says the same in the row's own answer |
| `length:TOKENS` | the answer has at most so many tokens; twice as many give 0 |
| `module:function` | a function of your own, which may give any finite number |
"""

from kamerton.training.objectives.rewards.base import Judged, Reward
from kamerton.training.objectives.rewards.build import build_reward, reward_names

__all__ = ["Judged", "Reward", "build_reward", "reward_names"]
