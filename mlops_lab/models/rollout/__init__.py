"""How is a version put to work, watched and taken back?"""

from mlops_lab.models.rollout.deployment import Deployment, RolloutPolicy, Step, days_of, deployment_of, promotion_of
from mlops_lab.models.rollout.rollout import (
    Judgement,
    answered_by_challenger,
    begin,
    judge,
    least,
    look,
    rollout,
    shared_by_day,
    stop,
)

__all__ = [
    "Deployment",
    "Judgement",
    "RolloutPolicy",
    "Step",
    "answered_by_challenger",
    "begin",
    "days_of",
    "deployment_of",
    "judge",
    "least",
    "look",
    "promotion_of",
    "rollout",
    "shared_by_day",
    "stop",
]
