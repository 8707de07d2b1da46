"""How many workers are of use: they go where they only wait for each other, and come back where there is something to wait for."""

import threading
import time

import pytest

from whet.core import load as load_module
from whet.core.flow import WAIT, Gather, Sleep
from whet.core.load import Load


def looked(load, workers, cpu, wall, begin):
    """What a look says after enough jobs of so many seconds by both clocks, and when that was."""
    for job in range(10_000):
        now = begin + (job + 1) * wall / workers
        useful = load.look(workers, now, cpu, wall)
        if load.jobs == 0:
            return useful, now
    raise AssertionError("no look")


def test_workers_that_share_one_core_stand_down_by_halves_until_one_is_left():
    load, workers, now, seen = Load(), 24, 100.0, []
    while workers > 1:
        workers, now = looked(load, workers, cpu=0.0001, wall=0.0001 * workers, begin=now)
        seen.append(workers)
    assert seen == [12, 6, 3, 2, 1]
    assert load.crowded


@pytest.mark.parametrize(("cpu", "wall"), [(0.0001, 0.05), (0.0001, 0.005)])
def test_workers_that_wait_become_more(cpu, wall):
    assert looked(Load(), 24, cpu, wall, begin=0.0)[0] == 48


def test_native_code_that_keeps_more_than_one_core_busy_keeps_its_workers():
    load = Load()
    assert looked(load, 8, cpu=0.01, wall=0.011, begin=0.0)[0] == 8
    assert not load.crowded


def test_a_burst_of_answers_does_not_look_crowded():
    # 500 answers of a server that took a second, taken in within the time of one look.
    load, useful = Load(), 500
    for job in range(2000):
        useful = load.look(500, 10.0 + (job + 1) * 0.00125, cpu=0.0002, wall=1.0)
    assert useful == 1000


def test_standing_down_in_vain_takes_twice_as_many_looks_the_next_time():
    load, now = Load(), 0.0
    looks = []
    for _ in range(3):
        count, useful = 0, 24
        while useful == 24:
            useful, now = looked(load, 24, cpu=0.0001, wall=0.0024, begin=now)
            count += 1
        looks.append(count)
        assert useful == 12
        back, now = looked(load, 12, cpu=0.0001, wall=0.0024, begin=now)  # a core is half idle: they did wait
        assert back == 24
    assert looks == [1, 2, 4]


def test_every_outcome_is_there_where_workers_come_and_go(monkeypatch):
    monkeypatch.setattr(load_module, "TURN", 0.0)
    counts = []

    def job(number):
        counts.append(threading.active_count())
        if 300 <= number < 340:
            yield Sleep(0.01)
        else:
            until = time.thread_time() + 0.0002
            while time.thread_time() < until:
                pass
        return number

    before = threading.active_count()
    outcomes = Gather((lambda number=number: job(number) for number in range(1500)), limit=16).perform()
    assert outcomes == list(range(1500))
    assert max(counts) <= before + 16


@pytest.mark.timeout(20)
def test_a_worker_that_stands_down_leaves_nobody_asleep_who_could_go_on(monkeypatch):
    monkeypatch.setattr(Load, "look", lambda self, workers, *_: 1)
    done = []

    def named(name, seconds):
        def flow():
            yield Sleep(seconds)
            return name

        return flow

    def jobs():
        yield named("first", 0.1)
        while not done:
            yield WAIT  # the second worker sleeps here when the first one, done with its job, is one too many
        yield named("second", 0.0)

    assert Gather(jobs(), limit=4, done=lambda _, outcome: done.append(outcome)).perform() == ["first", "second"]
