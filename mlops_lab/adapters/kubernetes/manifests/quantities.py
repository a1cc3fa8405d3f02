"""How much is 512Mi, 250m or 25 percent, as Kubernetes counts?"""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["quantity", "share"]

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?")
_POWERS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = "KMGTPE"
_LONGEST = 64  # no quantity that anybody means is longer, and Decimal must not be fed a novel


def quantity(value: object) -> Decimal | None:
    """The number that a quantity means (bytes, cores, pods), or None where it is none.

    As Kubernetes reads it: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
    Simplified: nothing is rounded up to the thousandth.

    >>> quantity("512Mi"), quantity("250m"), quantity(2), quantity("1e3")
    (Decimal('536870912'), Decimal('0.250'), Decimal('2'), Decimal('1E+3'))
    >>> quantity("512Mb") is None, quantity("512MiB") is None, quantity(True) is None
    (True, True, True)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _FORM.fullmatch(str(value)) if len(str(value)) <= _LONGEST else None
    if found is None:
        return None
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix.endswith("i"):
        return number * Decimal(1024 ** (_BINARY.index(suffix[0]) + 1))
    if suffix in _POWERS:
        return number.scaleb(_POWERS[suffix])
    return number.scaleb(int(suffix[1:]))


def share(value: object, of: int, *, up: bool) -> int | None:
    """A number of pods that is given as it is or in percent of `of`, rounded `up` or down; None where it is neither.

    >>> share("25%", 3, up=True), share("25%", 3, up=False), share(2, 3, up=True), share("two", 3, up=True) is None
    (1, 0, 2, True)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}%", value):
        whole = int(value[:-1]) * of
        return -(-whole // 100) if up else whole // 100
    return None
