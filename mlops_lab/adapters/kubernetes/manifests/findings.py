"""What is a finding about a manifest: which rule, where, and in which words?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Finding"]


@dataclass(frozen=True, order=True, repr=False)
class Finding:
    """One defect, with the file and the line (from 1) to look at.

    >>> Finding("deployment.yaml", 12, "quantity", "Deployment late: memory '512Mb' is no quantity.")
    deployment.yaml:12: quantity: Deployment late: memory '512Mb' is no quantity.
    """

    path: str
    line: int
    rule: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return asdict(self)

    def __repr__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"
