"""What the adapter does to standard output while Feast talks, seen from several threads."""

from __future__ import annotations

import sys
import threading

from mlops_lab.adapters.feast.repository import quietly


def test_of_two_threads_that_ask_feast_at_once_none_leaves_the_process_silent():
    before, inside, go_on = (sys.stdout, sys.stderr), threading.Event(), threading.Event()

    def first():
        with quietly("read"):
            inside.set()
            go_on.wait(60)

    def second():
        inside.wait(60)
        threading.Timer(0.2, go_on.set).start()  # the first one leaves while this one is in, if it may come in at all
        with quietly("read"):
            go_on.wait(60)
            threads[0].join(1)

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (sys.stdout, sys.stderr) == before
