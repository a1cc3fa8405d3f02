"""A panel's controls, its reset, its errors, its lock and what it leaves where no kernel runs."""

from __future__ import annotations

import threading
from xml.etree import ElementTree

import pytest
from contrast import ratio as contrast

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.teaching.drawing.style import state_look
from mlops_lab.teaching.panels import Panel, RangeInput, View
from mlops_lab.teaching.panels.controls import Memory, choice, switch
from mlops_lab.teaching.panels.svg import card, text


class Squares(Panel):
    title = "Squares"

    def render(self, state):
        if state["number"] == 5:
            raise InvalidData("five is not served <here>.")
        if state["number"] == 6:
            raise ZeroDivisionError("six")
        square = state["number"] ** 2 + len(state["presses"])
        words = f"{square:.0f} for {state['colour']}, {state['loud']}"
        return View(
            f"it is {square:.0f} & more", "success", card(text(1, 9, words), width=60, height=12, name=words), words
        )


def squares():
    presses = Memory()

    def press():
        presses.value = (*presses.value, "x")

    def fail():
        raise UnknownName("thing", "x", ["y"])

    controls = {
        "number": RangeInput(label="number", low=0, high=9, value=3),
        "colour": choice("colour", ["red", "green"], "red"),
        "loud": switch("loud"),
        "presses": presses,
    }
    return Squares(controls, buttons={"press": ("Press", press), "fail": ("Fail", fail)})


def test_moving_a_control_and_setting_the_state_are_the_same():
    moved, told = squares(), squares()

    moved.controls["number"].value = 4
    moved.controls["colour"].value = "green"
    moved.controls["loud"].value = True
    told.set(number=4, colour="green", loud=True)

    assert dict(moved.state) == dict(told.state)
    assert moved.view == told.view
    assert moved.view.words == "16 for green, True"
    assert [part.value for part in moved._parts.values()] == [part.value for part in told._parts.values()]


def test_render_is_a_function_of_the_state_alone():
    panel = squares()
    before, view = dict(panel.state), panel.view

    other = panel.render({**before, "number": 8})

    assert other.words.startswith("64")
    assert (dict(panel.state), panel.view) == (before, view)
    assert panel.render(panel.state) == view


def test_reset_brings_everything_back_with_one_picture(monkeypatch):
    panel = squares()
    first = panel.view
    panel.set(number=7, colour="green", loud=True)
    panel.press("press")
    rendered = []
    monkeypatch.setattr(Squares, "render", lambda self, state: rendered.append(dict(state)) or first)

    panel.buttons["reset"].click()

    assert len(rendered) == 1
    assert rendered[0] == {"number": 3.0, "colour": "red", "loud": False, "presses": ()}


def test_a_click_and_a_press_are_the_same():
    clicked, pressed = squares(), squares()

    clicked.buttons["press"].click()
    pressed.press("press")

    assert clicked.view == pressed.view
    assert clicked.state["presses"] == ("x",)


@pytest.mark.parametrize(
    ("number", "kind", "told"),
    [(5, InvalidData, "five is not served &lt;here&gt;."), (6, ZeroDivisionError, "ZeroDivisionError: six")],
)
def test_an_error_is_shown_in_the_panel_and_raised(number, kind, told):
    panel = squares()

    with pytest.raises(kind):
        panel.controls["number"].value = number

    assert told in panel._parts["error"].value
    assert 'role="alert"' in panel._parts["error"].value
    assert panel.view.words.startswith("9"), "the last good picture stays, and is said to be from before"


def test_an_error_of_a_button_is_shown_and_raised():
    panel = squares()

    with pytest.raises(UnknownName):
        panel.press("fail")

    assert "no thing &#x27;x&#x27;" in panel._parts["error"].value


def test_the_next_change_that_works_takes_the_error_away():
    panel = squares()
    with pytest.raises(InvalidData):
        panel.set(number=5)

    panel.set(number=2)

    assert (panel.error, panel._parts["error"].value) == ("", "")


def test_reset_works_after_an_error():
    panel = squares()
    with pytest.raises(InvalidData):
        panel.controls["number"].value = 5

    panel.reset()

    assert panel.error == ""
    assert panel.state["number"] == 3


@pytest.mark.parametrize("value", [-1, 10, float("nan"), float("inf")])
def test_a_slider_refuses_what_it_cannot_show(value):
    panel = squares()

    with pytest.raises(InvalidData, match="number goes from 0 to 9"):
        panel.controls["number"].value = value

    assert panel.state["number"] == 3


def test_setting_is_all_or_nothing():
    panel = squares()
    before = panel.view

    with pytest.raises(InvalidData, match="number goes from 0 to 9"):
        panel.set(colour="green", loud=True, number=99)

    assert dict(panel.state) == {"number": 3.0, "colour": "red", "loud": False, "presses": ()}
    assert panel.view == before
    assert "cannot be 99" in panel._parts["error"].value


def test_a_button_that_fails_leaves_the_state_as_it_was():
    panel = squares()
    panel._actions["press"] = lambda: panel.controls["number"].set_trait("value", 5.0)

    with pytest.raises(InvalidData, match="five is not served"):
        panel.press("press")

    assert panel.state["number"] == 3
    panel.set(colour="green")
    assert panel.view.words == "9 for green, False"


def test_a_button_makes_one_picture(monkeypatch):
    panel = squares()
    rendered = []
    render = Squares.render
    monkeypatch.setattr(Squares, "render", lambda self, state: rendered.append(1) or render(self, state))

    panel.press("press")

    assert len(rendered) == 1


def test_unknown_controls_and_buttons_are_named_with_the_closest():
    panel = squares()

    with pytest.raises(UnknownName, match="Did you mean 'number'"):
        panel.set(numbr=1)
    with pytest.raises(UnknownName, match="Did you mean 'reset'"):
        panel.press("rest")


def test_two_threads_leave_the_picture_of_the_last_state():
    panel = squares()

    def move(name, values):
        for value in values:
            panel.controls[name].value = value

    threads = [
        threading.Thread(target=move, args=("number", [1, 2, 3, 4] * 25)),
        threading.Thread(target=move, args=("colour", ["green", "red"] * 50)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert panel.view == panel.render(panel.state)
    assert panel.view.words == "16 for red, False"
    assert panel._parts["words"].value == panel.view.words_html


def test_a_change_waits_for_the_picture_of_the_one_before(monkeypatch):
    panel = squares()
    render, waited = Squares.render, []

    def slow(self, state):
        if not waited:  # the first picture: somebody else moves a control while it is drawn
            other = threading.Thread(target=panel.set, kwargs={"colour": "green"})
            waited.append(other)
            other.start()
            other.join(timeout=0.5)
            waited.append(other.is_alive())
        return render(self, state)

    monkeypatch.setattr(Squares, "render", slow)

    panel.set(number=4)
    waited[0].join()

    assert waited[1] is True
    assert panel.view.words == "16 for green, False"


def test_where_no_kernel_runs_the_picture_and_the_words_are_stored():
    panel = squares()

    bundle = panel._repr_mimebundle_()

    assert bundle["text/plain"] == ("Squares: ✓ it is 9 & more\n9 for red, False\nRun this cell to move its controls.")
    assert bundle == squares()._repr_mimebundle_() | {
        "application/vnd.jupyter.widget-view+json": bundle["application/vnd.jupyter.widget-view+json"]
    }, "the same from run to run"
    picture = ElementTree.fromstring(bundle["image/svg+xml"])  # noqa: S314  our own
    assert picture.get("role") == "img"
    assert picture.get("aria-label") == "Squares: ✓ it is 9 & more"
    assert "Squares" in "".join(picture.itertext())


def test_the_view_is_escaped_and_its_verdict_is_said_aloud():
    view = View("<b>bold</b>", "failed", "<svg aria-label='x'></svg>", "<i>")

    assert "&lt;b&gt;" in view.verdict_html
    assert 'aria-live="polite"' in view.verdict_html
    assert "&lt;i&gt;" in view.words_html
    assert "✗" in view.verdict_html, "the mark says what the colour says"
    assert contrast(state_look("failed").fill, "#1a1a1a") >= 4.5


def test_every_slider_has_a_name_and_keeps_its_keys():
    slider = squares().controls["number"]

    assert slider.label == "number"
    assert 'createElement("label")' in str(slider._esm)
    assert '"data-lm-suppress-shortcuts"' in str(slider._esm)
    assert "http" not in str(slider._esm) + str(slider._css), "nothing is fetched"
