"""How much may one request ask for, and how long may it take to ask?"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_lab.base.errors import InvalidDefinition

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """What a server takes from its clients.

    Attributes:
        body_bytes: the largest body; SageMaker's own limit is 25 MB, Vertex AI's 1.5 MB.
        rows: the most rows of one request.
        body_seconds: how long a client may take to send headers, and then a body.
        answer_seconds: how long an answer may wait for the online store; SageMaker gives up after 60.
        connections: the most requests at once; more are told to come back (503).
        drain_seconds: how long after SIGTERM a server still answers while it says that it is not ready.
        grace_seconds: how long after that an unfinished request may take.

    >>> Limits(rows=64).rows
    64
    >>> Limits(rows=0)
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidDefinition: rows must be above 0, not 0.
    """

    body_bytes: int = 1_500_000
    rows: int = 1000
    body_seconds: float = 10.0
    answer_seconds: float = 30.0
    connections: int = 512
    drain_seconds: float = 0.0
    grace_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("body_bytes", "rows", "body_seconds", "answer_seconds", "connections", "grace_seconds"):
            if not getattr(self, name) > 0:
                raise InvalidDefinition(f"{name} must be above 0, not {getattr(self, name)!r}.")
        if not self.drain_seconds >= 0:
            raise InvalidDefinition(f"drain_seconds must not be below 0, not {self.drain_seconds!r}.")
