"""What reaches the application, told message by message."""

import asyncio
import json

import pytest

from joint_ner_re.service.guard import Guard
from joint_ner_re.service.limits import Limits

JSON = [(b"content-type", b"application/json")]


def part(body, more):
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


async def echo(scope, receive, send):
    """Answers with the body, and then notes what comes next."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})
    assert not message["more_body"]
    assert await receive() == GONE


def answer(messages, limits, headers=JSON, hosts=None):
    """The status and body that the guard answers; after the messages nothing more arrives."""
    sent = []

    async def run():
        left = list(messages)

        async def receive():
            if not left:
                await asyncio.sleep(60)
            return left.pop(0)

        async def send(message):
            sent.append(message)

        guard = Guard(echo, limits, hosts)
        scope = {"type": "http", "method": "POST", "headers": headers}
        await asyncio.wait_for(guard(scope, receive, send), 20)
        assert guard._in_progress == 0

    asyncio.run(run())
    if not sent:
        return None
    return sent[0]["status"], sent[1]["body"]


def test_the_application_gets_the_whole_body_at_once_and_hears_when_the_client_goes():
    messages = [part(b'{"a"', True), part(b"", True), part(b": 1}", False), GONE]
    assert answer(messages, Limits()) == (200, b'{"a": 1}')


def test_a_body_that_does_not_arrive_is_408():
    status, body = answer([part(b"{", True)], Limits(timeout=0.1))
    assert status == 408
    assert json.loads(body)["detail"] == "the body did not arrive within 0.1 seconds"


def test_who_goes_before_the_end_is_not_answered():
    assert answer([part(b"{", True), GONE], Limits()) is None


@pytest.mark.parametrize("more", [0, 1, 5])
def test_the_answer_about_the_size_waits_until_everything_is_sent(more):
    limits = Limits(max_characters=1, max_texts=1)
    messages = [part(b" " * limits.max_bytes, True), *[part(b" ", True)] * more, part(b"", False)]
    status, _ = answer([*messages, GONE], limits)
    assert status == (413 if more else 200)


def test_it_does_not_wait_for_ever():
    endless = [part(b" " * 2**20, True)] * 40
    assert answer(endless, Limits())[0] == 413


@pytest.mark.parametrize("given, status", [([], 400), (["here"], 200), (["here", "here"], 400)])
def test_there_must_be_one_host(given, status):
    headers = [*JSON, *((b"host", host.encode()) for host in given)]
    found, body = answer([part(b"{}", False), GONE], Limits(), headers, ("here",))
    assert found == status
    if status == 400:
        expected = f"the request has {len(given)} headers Host; expected one"
        assert json.loads(body) == {"detail": expected}
