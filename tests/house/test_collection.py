"""Do two processes see the same tests? Side by side, pytest refuses to run anything when they do not."""

from __future__ import annotations

import re


def test_no_test_is_named_after_a_memory_address(request):
    named = [item.nodeid for item in request.session.items]

    assert [name for name in named if re.search(r"0x[0-9a-f]{6,}", name)] == []
