"""Is the server live, is it ready, and which model stands behind it?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from mlops_lab.delivery.server.desk import Desk
from mlops_lab.delivery.server.limits import Limits
from mlops_lab.delivery.server.refusal import Refusal
from mlops_lab.delivery.server.telling import Figures, Log

__all__ = ["Station"]


@dataclass
class Station:
    """What the routes of a server share.

    It is *live* as long as it answers at all, and *ready* from the moment its model is loaded to the moment it is told
    to stop. Kubernetes restarts what is not live, and sends nobody to what is not ready.

    >>> station = Station(name="late")
    >>> station.ready, station.why
    (False, 'the model is being loaded')
    """

    name: str
    limits: Limits = field(default_factory=Limits)
    log: Log = field(default_factory=Log)
    figures: Figures = field(default_factory=Figures)
    desk: Desk | None = None
    why: str = "the model is being loaded"
    stopping: bool = False
    under_way: int = 0  # requests that have begun and not ended; probes are none
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def ready(self) -> bool:
        """Does it take requests?"""
        return self.desk is not None and not self.stopping

    def open(self, desk: Desk) -> None:
        """Take requests from now on."""
        self.desk = desk
        self.figures.serves(desk.model)
        self.figures.is_ready(True)
        model = desk.model
        self.log.tell(
            "ready", model=model.name, version=model.version, artefact=model.artefact, compiled=model.compiled
        )

    def close(self) -> None:
        """Say that it is not ready; what is asked all the same is still answered."""
        self.stopping, self.why = True, "the server is stopping"
        self.figures.is_ready(False)

    def working_desk(self) -> Desk:
        """The desk that answers.

        Raises:
            Refusal: 503 as long as there is none.
        """
        if self.desk is None:
            raise Refusal(503, "NotReady", f"not ready: {self.why}; ask again in a moment.")
        return self.desk

    def next_id(self) -> str:
        """A name for a request that brought none of its own."""
        return f"request-{next(self._numbers)}"
