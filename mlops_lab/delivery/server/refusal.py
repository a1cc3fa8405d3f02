"""Why is a request not answered, and with which status?"""

from __future__ import annotations

from mlops_lab.base.errors import InvalidData

__all__ = ["Refusal"]


class Refusal(InvalidData):
    """A request that gets no prediction. Attributes: `status` (of HTTP) and `kind` (one word for programs).

    | status | kind | when |
    |---|---|---|
    | 400 | MalformedBody | the body is not what its type says |
    | 404 | UnknownEntity, UnknownModel | nobody knows this flight, or this model |
    | 406, 415 | NotAcceptable, UnsupportedType | a format that is not spoken here |
    | 408 | SlowBody | the body did not come in time |
    | 413 | TooLarge, TooManyRows | more than one request may hold |
    | 422 | MissingColumn, WrongType, NoRows, … | the rows are not what the model needs |
    | 503 | NotReady, FeaturesUnavailable | ask again in a moment |

    >>> refusal = Refusal(413, "TooManyRows", "1,200 rows are more than 1,000.")
    >>> refusal.status, refusal.kind, str(refusal)
    (413, 'TooManyRows', '1,200 rows are more than 1,000.')
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        self.status = status
        self.kind = kind
        super().__init__(message)
