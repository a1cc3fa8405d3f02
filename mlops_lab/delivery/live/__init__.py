"""How do real servers take over from one another, while everybody goes on asking?

`live_rollout` starts a server for the champion and one for the challenger, opens one door in front of both, and lets
the watch of `mlops_lab.models.rollout` decide. `Door` is what stands between; the registry's history says at every
moment
whom it may let out.
"""

from __future__ import annotations

from mlops_lab.delivery.live.asking import Answer, Client, Unreachable
from mlops_lab.delivery.live.door import Door
from mlops_lab.delivery.live.front import at_the_door
from mlops_lab.delivery.live.journal import Entry, Journal
from mlops_lab.delivery.live.live import LiveRollout, live_rollout
from mlops_lab.delivery.live.processes import Servers
from mlops_lab.delivery.live.routing import Plan, Routing

__all__ = [
    "Answer",
    "Client",
    "Door",
    "Entry",
    "Journal",
    "LiveRollout",
    "Plan",
    "Routing",
    "Servers",
    "Unreachable",
    "at_the_door",
    "live_rollout",
]
