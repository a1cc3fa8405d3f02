"""How do real servers take over from one another, while everybody goes on asking?

`live_rollout` starts a server for the champion and one for the challenger, opens one door in front of both, and lets
the watch of `mlops_lab.rollout` decide. `Door` is what stands between; the registry's history says at every moment
whom it may let out.
"""

from __future__ import annotations

from mlops_lab.fleet.asking import Answer, Client, Unreachable
from mlops_lab.fleet.door import Door
from mlops_lab.fleet.front import at_the_door
from mlops_lab.fleet.journal import Entry, Journal
from mlops_lab.fleet.live import LiveRollout, live_rollout
from mlops_lab.fleet.processes import Servers
from mlops_lab.fleet.routing import Plan, Routing

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
