"""The grip of a panel's picture follows the pointer, on a wide page and on a narrow one, and the arrow keys go on."""

from __future__ import annotations

import pytest
from build_notebooks import from_source, serialise

pytestmark = [pytest.mark.browser, pytest.mark.nightly]
CELL = """
import pandas as pd
from mlops_lab import DailyRowPanel
def utc(*times): return pd.to_datetime([f"2013-07-0{time}Z" for time in times])
flights = pd.DataFrame({"departs": utc("8T10:00", "8T23:00"), "late": [False, True]})
flights["known_at"] = utc("8T12:00", "9T02:00")
rows = pd.DataFrame({"event_timestamp": utc("6T04:00", "8T04:00"), "route_day_late_share": [0.25, 0.5]})
rows["landed_timestamp"] = rows["event_timestamp"] + pd.Timedelta("28h")
DailyRowPanel(flights, rows, day="2013-07-08T04:00Z")
"""


AT = "() => { const box = document.querySelector('.lab-grip').getBoundingClientRect(); return box.x + box.width / 2; }"


def test_the_grip_is_dragged_and_the_keys_go_on(browser_over, tmp_path):
    (tmp_path / "day.ipynb").write_bytes(serialise(from_source(f"# %%{CELL}")))
    with browser_over(tmp_path).open("day.ipynb") as opened:
        assert opened.run_all() == []
        page = opened.page
        slider, verdict = page.locator(".lab-panel input[type=range]"), page.locator(".lab-verdict-line")
        for width, wide in ((1200, 80), (390, 40)):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("() => document.querySelector('.lab-panel').scrollIntoView({block: 'center'})")
            page.wait_for_timeout(2_000)  # the picture of the last move may still come
            before, x = int(slider.input_value()), page.evaluate(AT)
            y = page.evaluate("() => document.querySelector('.lab-grip').getBoundingClientRect().y") + 12
            page.mouse.move(x, y)
            page.mouse.down()
            for step in range(1, 9):
                page.mouse.move(x + wide * step / 8, y)
            page.mouse.up()
            moved = int(slider.input_value())
            assert moved > before + 2
            # In a while it stands under the pointer, at the nearest half hour.
            page.wait_for_function(f"there => Math.abs(({AT})() - there) < 12", arg=x + wide)

            page.mouse.move(x, y)  # nothing is held any more
            page.keyboard.press("ArrowRight")
            assert int(slider.input_value()) == moved + 1
            assert "outcomes" in verdict.inner_text()
