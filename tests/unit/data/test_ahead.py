"""What is announced is worked out in a thread, in order; values never depend on it."""

import threading

import pytest

from gof.data.ahead import Ahead


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_announced_values_come_from_the_thread_in_order():
    calls = []

    def square(key):
        calls.append((key, threading.current_thread().name.startswith("ahead")))
        return key**2

    ahead = Ahead(square)
    with ahead:
        for key in (3, 1, 2, 1):
            ahead.announce(key)
        assert [ahead(key) for key in (1, 2, 3)] == [1, 4, 9]
        assert ahead(5) == 25  # not announced
        assert ahead(1) == 1  # announced once, asked for twice
    assert calls == [(3, True), (1, True), (2, True), (5, False), (1, False)]
    assert not threads()


def test_without_its_thread_it_is_the_function():
    ahead = Ahead(lambda key: (key, threading.current_thread()))
    ahead.announce(1)
    assert ahead(1) == (1, threading.main_thread())
    with ahead:
        ahead.announce(2)
        assert ahead(2)[1] is not threading.main_thread()
    assert ahead(2) == (2, threading.main_thread())


def test_what_goes_wrong_in_the_thread_is_raised_where_the_value_is_asked_for():
    def broken(key):
        raise OSError(f"no {key}")

    ahead = Ahead(broken)
    with ahead:
        ahead.announce(1)
        ahead.announce(2)
        with pytest.raises(OSError, match="no 1"):
            ahead(1)
    assert not threads()


def test_the_thread_ends_with_the_block_however_it_is_left():
    begun, go_on, done = threading.Event(), threading.Event(), []

    def slow(key):
        begun.set()
        go_on.wait(10)
        done.append(key)

    ahead = Ahead(slow)

    def stop_early():
        with ahead:
            for key in range(5):
                ahead.announce(key)
            begun.wait(10)
            threading.Timer(0.1, go_on.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_early()
    assert not threads() and done == [0]
