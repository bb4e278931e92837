"""Who shares a batch with whom, and that one text's failure is nobody else's."""

import pytest

from joint_ner_re.service.batching import Batcher, Stopping


@pytest.fixture
def busy(gated):
    """Makes a batcher whose worker is predicting the text `first` until the gate opens."""
    made = []

    def batcher(**sizes):
        batcher = Batcher(gated, **sizes)
        made.append(batcher)
        batcher.start()
        batcher.submit(["first"])
        assert gated.begun.acquire(timeout=20)
        return batcher

    yield batcher
    gated.gate.set()
    for batcher in made:
        batcher.stop()


def texts_of(answers):
    return [answer.result(20)["text"] for answer in answers]


def batches(gated):
    return [texts for _, texts in gated.calls]


def test_requests_that_come_together_share_a_batch(busy, gated):
    batcher = busy()
    answers = [batcher.submit([text]) for text in "abc"]
    gated.gate.set()
    assert [texts_of(some) for some in answers] == [["a"], ["b"], ["c"]]
    assert batches(gated) == [["first"], ["a", "b", "c"]]


def test_a_long_request_does_not_hold_up_a_short_one(busy, gated):
    batcher = busy(max_texts=4)
    long = batcher.submit([str(number) for number in range(6)])
    short = batcher.submit(["a"])
    gated.gate.set()
    assert texts_of(short) == ["a"] and texts_of(long) == list("012345")
    assert batches(gated) == [["first"], ["0", "a", "1", "2"], ["3", "4", "5"]]


def test_characters_bound_a_batch_and_a_longer_text_goes_alone(busy, gated):
    batcher = busy(max_characters=5)
    answers = batcher.submit(["aaa", "bb", "c", "dddddddd", "e"])
    gated.gate.set()
    assert texts_of(answers) == ["aaa", "bb", "c", "dddddddd", "e"]
    assert batches(gated) == [["first"], ["aaa", "bb"], ["c"], ["dddddddd"], ["e"]]


def test_thresholds_never_mix_and_none_waits_for_ever(busy, gated):
    batcher = busy(max_texts=2)
    model, low, own = (
        batcher.submit(texts, threshold)
        for texts, threshold in ((list("abcd"), None), (["x"], 0.1), (["y"], 0.0))
    )
    gated.gate.set()
    assert texts_of(model) + texts_of(low) + texts_of(own) == list("abcdxy")
    assert gated.calls == [
        (0.5, ["first"]), (0.5, ["a", "b"]), (0.1, ["x"]), (0.0, ["y"]), (0.5, ["c", "d"]),
    ]  # fmt: skip


def test_what_nobody_waits_for_is_not_predicted(busy, gated):
    batcher = busy()
    answers = batcher.submit(list("abc"))
    answers[0].cancel(), answers[2].cancel()
    gated.gate.set()
    assert texts_of(answers[1:2]) == ["b"]
    assert batches(gated) == [["first"], ["b"]]


@pytest.mark.parametrize("text, message", [("bad", "too long"), ("memory", "no room")])
def test_a_text_that_fails_fails_alone_and_is_counted_in_its_request(busy, gated, text, message):
    batcher = busy()
    others = batcher.submit(["a", "b"])
    mine = batcher.submit(["c", text, "d"])
    gated.gate.set()
    failed = mine[1].result(20)
    assert (failed["error"]["message"], failed["line"]) == (message, 2)
    assert texts_of([*others, mine[0], mine[2]]) == ["a", "b", "c", "d"]


def test_the_worker_survives_a_bug(busy, gated, caplog):
    batcher = busy()
    answers = batcher.submit(["a", "bug"])
    gated.gate.set()
    for answer in answers:
        with pytest.raises(KeyError, match="bug"):
            answer.result(20)
    assert "a batch of 2 texts failed" in caplog.text
    assert texts_of(batcher.submit(["b"])) == ["b"]


def test_stopping_finishes_what_waits_and_takes_no_more(busy, gated):
    batcher = busy()
    answers = batcher.submit(["a"])
    gated.gate.set()
    batcher.stop()
    assert answers[0].done() and texts_of(answers) == ["a"]
    with pytest.raises(Stopping, match="being stopped"):
        batcher.submit(["b"])
    assert batches(gated) == [["first"], ["a"]]


def test_no_texts_are_no_work(busy, gated):
    batcher = busy()
    assert batcher.submit([]) == []
