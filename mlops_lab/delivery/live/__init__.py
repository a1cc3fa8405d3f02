"""Real servers take over from one another, while everybody goes on asking.

`live_rollout` starts a server for the champion and one for the challenger, puts one router in front of both, and lets
the watch of `mlops_lab.models.rollout` decide. The registry's history says at every moment whose answers may leave the
`Router`.
"""

from __future__ import annotations

from mlops_lab.delivery.live.client import Answer, Client, Unreachable
from mlops_lab.delivery.live.plan import Entry, Journal, Plan, Routing
from mlops_lab.delivery.live.rollout import LiveRollout, Servers, live_rollout
from mlops_lab.delivery.live.router import Router, listening_router

__all__ = [
    "Answer",
    "Client",
    "Entry",
    "Journal",
    "LiveRollout",
    "Plan",
    "Router",
    "Routing",
    "Servers",
    "Unreachable",
    "listening_router",
    "live_rollout",
]
