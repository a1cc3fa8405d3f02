"""What a prediction says came is what the next cells show, in the stored notebooks."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import nbformat
import pytest
from notebook_kernel import REPOSITORY

from mlops_lab.teaching.checks import all_predictions

#: By prediction, what the outputs of the cells after it must hold if its right answer is right (a regular expression).
SHOWN = {
    "00.p1": r"model A, served +0\.64.*model B, served +0\.74",
    "00.p3": r"– approve",
    "00.p4": r"(✗ +(floor|no_|slice|calib|served_)[^✗]*){6}",
    "00.p5": r"v1 +rollout_finished.*v2 +record_gate_report +- → failed",
    "01.p1": r"57,668 decisions, 57,668 joined rows",
    "01.p2": r"daily table: 0\.878",
    "01.p3": r"daily table, served +0\.684",
    "01.p4": r"landed_timestamp.*2013-07-09 08:00",
    "01.p5": r"17:00.*used",
    "01.p6": r"09:50:00\+00:00 +15\.0",
    "01.p7": r"13:00:00\+00:00 +23\.0.*13:01:00\+00:00 +NaN",
    "01.p8": r"08:30:00\+00:00 +8\.0",
    "01.p9": r"BOS .* NaN",
    "01.p10": r"as known, offline +0\.776.*as known, served +0\.776",
    "01.p11": r"'airport_weather': 3,",
    "01.p12": r"no tail number +2512 +0",
    "02.p1": r"joined a second time: +(sha256:\w+).*one answer changed: +(?!\1)sha256:",
    "02.p3": r"9\d% of the examined",
    "02.p5": r": 987 rows on neither side",
    "02.p6": r"same run: +False.*same bytes: +True",
    "02.p9": r"at 0\.(70|75|80) it is",
    "02.p10": r"this ran on your machine",
    "02.p11": r"one byte was changed, and it was noticed",
    "03.p1": r"June.s model, on June.s flights: 0\.760",
    "03.p2": r"no_?worse|no difference|within the margin",
    "03.p4": r"rises from 0\.700 offline to 0\.750 as served: 0\.000 lost",
    "03.p5": r"not as agreed: distance is text, not number",
    "03.p6": r"✓ +slice_floor .*0\.626",
    "03.p8": r"served\.roc_auc is 0\.633 against",
    "04.p2": r"for_the_testers",
    "04.p3": r"NotAllowed|IllegalMove",
    "04.p5": r"NotAllowed|cannot",
    "04.p8": r"airport_weather .*v1.*v2.*daily_airport .*v3",
    "04.p9": r"^True",
    "04.p10": r"the history is never changed",
    "04.p11": r"damaged or changed: event \d+",
    "05.p1": r"report +upstream_failed",
    "05.p2": r"a cycle: train → gate → promote → train",
    "05.p3": r"catchup=True +07 Jul, 08 Jul, 09 Jul, 10 Jul",
    "05.p4": r"10 Mar at 03:30",
    "05.p5": r"03 Nov at 01:30 EST, 25 hours",
    "05.p6": r"10:02:00Z",
    "05.p7": r"\[10, 20, 40, 80, 120, 120\]",
    "05.p8": r"wind +failed +2",
    "05.p9": r"all_success +success +skipped",
    "05.p11": r"flights +success +1.*wind +success +2.*report +success +1",
    "05.p12": r"one worker: .*failed.*failed",
    "05.p13": r"dark",
    "05.p14": r"line \d+.*upstream",
    "06.p1": r"gate +success.*ship +success",
    "06.p2": r"ship +skipped",
    "06.p5": r"as_known",
    "06.p6": r"success +if: always\(\)",
    "06.p7": r"boosted, airport: EWR",
    "06.p8": r"airport: JFK, model: logistic",
    "06.p9": r"EWR\) +cancelled|cancelled",
    "06.p11": r"waiting",
    "06.p12": r"failure",
    "06.p14": r"Thanks for nothing",
    "06.p15": r'Thanks for nothing"; echo "\$TOKEN"',
    "07.p1": r"'challenger'",
    "07.p2": r"0 of them go back at 25 %",
    "07.p4": r"the better one on 9 of 21 days",
    "07.p5": r"the better one on 16 of 21 days",
    "07.p6": r"2013-12-05 +5 % +hold.*2013-12-06 +5 % +advance",
    "07.p7": r"100 % +roll_back|100 %.*roll_back",
    "07.p8": r"late_flights v2, Production",
    "07.p10": r"2013-12-03 +5 % +hold +90 of 100.*2013-12-03 +5 % +hold.*2013-12-04",
    "07.p11": r"stopped at 0 %.*late_flights v2, Production",
    "07.p12": r"taken back in 34 % of 200",
    "07.p13": r"150 minutes later: \[None\] \[None\]",
    "07.p14": r"0\.177",
    "07.p15": r"404 row 0",
    "08.p1": r"MLflow alone: done",
    "08.p2": r"18, \[",
    "08.p3": r"rows of one key and time become one",
    "08.p5": r"True",
    "08.p6": r"the same last hash: True",
    "08.p7": r"0 events the second time",
    "09.p2": r"late_flights v2: passed",
    "09.p3": r"other afternoon",
    "09.p4": r"0\.687",
    "10.p2": r"same_day",
    "10.p4": r"mae rises from 1\.97",
    "10.p6": r"its columns count as known when it is decided",
    "10.p7": r"'as_known': 'promoted'",
}
#: Answers that the notebook tells and no output can show: what somebody would do, or what is so in another tool.
TOLD = {
    "00.p2", "02.p2", "02.p4", "02.p7", "02.p8", "03.p3", "03.p7", "04.p1", "04.p4", "04.p6", "04.p7", "05.p10",
    "05.p15", "05.p16", "05.p17", "06.p3", "06.p4", "06.p10", "06.p13", "07.p3", "07.p9", "07.p16", "08.p4", "08.p8",
    "09.p1", "10.p1", "10.p3", "10.p5",
}  # fmt: skip


def _words(output: Any) -> str:
    return str(output["text"] if output.output_type == "stream" else output.get("data", {}).get("text/plain", ""))


@cache
def _after() -> dict[str, str]:
    """By prediction, the outputs of the four code cells after it, without those of another prediction."""
    found = {}
    for path in sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        for place, cell in enumerate(cells):
            for entry in re.findall(r'^predict\("([^"]+)"\)', cell.source, re.MULTILINE):
                rest = [one for one in cells[place + 1 : place + 5] if "predict(" not in one.source]
                found[entry] = "\n".join(_words(output) for one in rest for output in one.outputs)
    return found


@pytest.mark.parametrize("entry", sorted(SHOWN))
def test_what_a_prediction_says_came_is_in_the_next_outputs(entry: str) -> None:
    assert re.search(SHOWN[entry], _after()[entry], re.DOTALL), _after()[entry][:600]


def test_every_prediction_is_shown_or_told() -> None:
    assert SHOWN.keys() | TOLD == {one.id for one in all_predictions()}
    assert not SHOWN.keys() & TOLD
