"""Every planted kind of leak is found, with its view and its name; no honest table is accused."""

from __future__ import annotations

import pytest

from mlops_lab.pipeline.flights import FLIGHTS
from mlops_lab.pipeline.problem import find_leaks
from tests.problem.made import PLANTED, Made


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_leak_is_found_and_nothing_else(planted, kind):
    plant, view, called = PLANTED[planted]

    found = find_leaks(plant(Made(1, kind=kind)))

    assert [(leak.view, leak.kind) for leak in found.leaks] == [(view, called)]


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(3, 20))])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_an_honest_table_is_not_accused(seed, kind):
    found = find_leaks(Made(100 + seed, kind=kind).problem())

    assert found.leaks == ()
    assert len(found.pictures) == 5


@pytest.mark.nightly
def test_of_the_flights_exactly_the_views_that_leak_are_named():
    found = find_leaks(FLIGHTS, rows=8000)

    assert found.views == ("daily_airport", "daily_carrier", "daily_route", "daily_weather")
    assert {leak.kind for leak in found.leaks} == {"joined on the date"}
