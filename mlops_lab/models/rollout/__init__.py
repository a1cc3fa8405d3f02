"""How is a version put to work, watched and taken back?"""

from mlops_lab.models.rollout.deployment import Deployment as Deployment
from mlops_lab.models.rollout.deployment import RolloutPolicy as RolloutPolicy
from mlops_lab.models.rollout.deployment import Step as Step
from mlops_lab.models.rollout.deployment import days_of as days_of
from mlops_lab.models.rollout.deployment import deployment_of as deployment_of
from mlops_lab.models.rollout.deployment import promotion_of as promotion_of
from mlops_lab.models.rollout.rollout import Judgement as Judgement
from mlops_lab.models.rollout.rollout import answered_by_challenger as answered_by_challenger
from mlops_lab.models.rollout.rollout import begin as begin
from mlops_lab.models.rollout.rollout import judge as judge
from mlops_lab.models.rollout.rollout import least as least
from mlops_lab.models.rollout.rollout import look as look
from mlops_lab.models.rollout.rollout import rollout as rollout
from mlops_lab.models.rollout.rollout import shared_by_day as shared_by_day
from mlops_lab.models.rollout.rollout import stop as stop
