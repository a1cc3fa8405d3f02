"""Real servers take over from one another, while everybody goes on asking.

`live_rollout` starts a server for the champion and one for the challenger, puts one router in front of both, and lets
the watch of `mlops_lab.models.rollout` decide. The registry's history says at every moment whose answers may leave the
`Router`.
"""

from __future__ import annotations

from mlops_lab.delivery.live.client import Answer as Answer
from mlops_lab.delivery.live.client import Client as Client
from mlops_lab.delivery.live.client import Unreachable as Unreachable
from mlops_lab.delivery.live.plan import Entry as Entry
from mlops_lab.delivery.live.plan import Journal as Journal
from mlops_lab.delivery.live.plan import Plan as Plan
from mlops_lab.delivery.live.plan import Routing as Routing
from mlops_lab.delivery.live.rollout import LiveRollout as LiveRollout
from mlops_lab.delivery.live.rollout import Servers as Servers
from mlops_lab.delivery.live.rollout import live_rollout as live_rollout
from mlops_lab.delivery.live.router import Router as Router
from mlops_lab.delivery.live.router import listening_router as listening_router
