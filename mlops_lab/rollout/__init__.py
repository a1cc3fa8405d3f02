"""How is a version put to work, watched and taken back?"""

from mlops_lab.rollout.deployment import Deployment, Step, deployment_of, promotion_of
from mlops_lab.rollout.door import answered_by_challenger
from mlops_lab.rollout.policy import RolloutPolicy
from mlops_lab.rollout.rollout import begin, look, rollout, stop
from mlops_lab.rollout.traffic import days_of
from mlops_lab.rollout.watch import Judgement, judge

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
    "look",
    "promotion_of",
    "rollout",
    "stop",
]
