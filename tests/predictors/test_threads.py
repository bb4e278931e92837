"""Items that run at once: their order, their threads, and what a failure does."""

import threading

import pytest
import torch

from joint_ner_re.predictors.threads import MAX_THREADS, map_in_threads

SECONDS = 20


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("items", [0, 1, 2, 7])
def test_results_come_in_order(set_threads, number, items):
    set_threads(number)
    assert map_in_threads(lambda item: item * item, range(items)) == [i * i for i in range(items)]


def test_items_run_at_once(set_threads):
    set_threads(2)
    # Each waits for the other.
    both = threading.Barrier(2, timeout=SECONDS)
    assert sorted(map_in_threads(lambda _: both.wait(), "ab")) == [0, 1]


def test_one_thread_runs_them_where_they_are(set_threads):
    set_threads(1)
    here = threading.get_ident()
    assert set(map_in_threads(lambda _: threading.get_ident(), range(5))) == {here}


def test_a_single_item_has_all_threads(set_threads):
    set_threads(4)
    assert map_in_threads(lambda _: torch.get_num_threads(), "a") == [4]


@pytest.mark.parametrize(
    "number, items, at_once, each",
    [(2, 5, 2, 1), (4, 2, 2, 2), (7, 3, 3, 2), (4 * MAX_THREADS, 99, MAX_THREADS, 4)],
)
def test_the_threads_are_shared_out(set_threads, number, items, at_once, each):
    set_threads(number)
    first = threading.Barrier(at_once, timeout=SECONDS)

    def run(item):
        if item < at_once:
            first.wait()
        # Work that PyTorch divides must not bring back another number.
        torch.rand(300, 300) @ torch.rand(300, 300)
        return threading.get_ident(), torch.get_num_threads()

    found = map_in_threads(run, range(items))
    assert len({thread for thread, _ in found}) == at_once
    assert {count for _, count in found} == {each}


def test_the_number_of_threads_is_as_before(set_threads):
    set_threads(3)
    map_in_threads(lambda item: item, range(9))
    found = []
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert [torch.get_num_threads(), *found] == [3, 3]


def test_a_thread_that_begins_late_does_not_change_the_number(set_threads, monkeypatch):
    set_threads(2)
    here, asked = threading.get_ident(), torch.get_num_threads

    def ask():
        if threading.get_ident() != here:
            # The second thread comes when the first has done everything.
            late.acquire(timeout=1)
        return asked()

    late = threading.Semaphore(1)
    monkeypatch.setattr(torch, "get_num_threads", ask)
    assert map_in_threads(str, range(4)) == ["0", "1", "2", "3"]
    found = []
    later = threading.Thread(target=lambda: found.append(asked()))
    later.start()
    later.join()
    assert found == [2]


def test_a_failure_is_raised_and_leaves_all_as_before(set_threads):
    set_threads(2)
    done = []

    def run(item):
        if item == 1:
            raise RuntimeError(f"item {item}")
        done.append(item)

    with pytest.raises(RuntimeError, match="item 1"):
        map_in_threads(run, range(200))
    assert torch.get_num_threads() == 2
    # None is begun when it is known that the result is not wanted.
    assert len(done) < 199
