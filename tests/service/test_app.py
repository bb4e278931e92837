"""The service over HTTP, in this process."""

import json
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from joint_ner_re.extractor import Extractor
from joint_ner_re.service.app import LINES_TYPE, Service
from joint_ner_re.service.drawing import MAX_DRAWN_RELATIONS, drawing_of
from joint_ner_re.service.limits import Limits
from joint_ner_re.version import VERSION

TEXTS = [
    "Ada Marek lives in Kesh. Oleg Hart joined the Navy in 1961.",
    "",
    "Tom Li lives in Lisgard.",
    "<script>Kesh</script> & 😀 Ada",
    "Kesh.",
]
MARKUP = '<script>window.ran=1</script> "Ada" & <img src=x onerror=ran()> lives in Kesh.'


@pytest.fixture
def serve():
    """Serves a predictor; at the end everything has ended."""
    clients = []

    def served(predictor, raise_server_exceptions=True, scores=None, **limits):
        service = Service(predictor, Limits(**limits), scores)
        client = TestClient(service.app, raise_server_exceptions=raise_server_exceptions)
        client.service = service
        client.__enter__()
        clients.append((client, predictor))
        return client

    yield served
    for client, predictor in clients:
        if hasattr(predictor, "gate"):
            predictor.gate.set()
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve, predictor):
    return serve(predictor)


def detail(response, status):
    assert response.status_code == status, response.text
    assert list(response.json()) == ["detail"]
    return response.json()["detail"]


def lines(response):
    assert response.headers["content-type"].startswith(LINES_TYPE)
    assert response.text.endswith("\n") or not response.text
    return [json.loads(line) for line in response.text.splitlines()]


# Answers


def test_answers_are_those_of_extract(client, predictor):
    expected = [doc.to_dict() for doc in Extractor(predictor).extract_many(TEXTS)]
    assert any(record["relations"] for record in expected)
    assert client.post("/extract", json={"texts": TEXTS}).json() == {"documents": expected}
    assert lines(client.post("/extract-lines", json={"texts": TEXTS})) == expected
    accepted = client.post("/extract", json={"texts": TEXTS}, headers={"Accept": LINES_TYPE})
    assert lines(accepted) == expected
    for text in TEXTS:
        one = Extractor(predictor).extract(text).to_dict()
        assert client.post("/extract", json={"text": text}).json() == one
        assert lines(client.post("/extract-lines", json={"text": text})) == [one]
    assert client.post("/extract", json={"texts": []}).json() == {"documents": []}
    assert lines(client.post("/extract-lines", json={"texts": []})) == []


def test_a_threshold_is_for_its_own_request_only(client, predictor):
    text = TEXTS[0]
    every = client.post("/extract", json={"text": text}).json()
    scores = sorted(relation["score"] for relation in every["relations"])
    middle = (scores[0] + scores[-1]) / 2
    some = client.post("/extract", json={"text": text, "threshold": middle}).json()
    assert some["relations"] == [r for r in every["relations"] if r["score"] >= middle]
    assert 0 < len(some["relations"]) < len(every["relations"])
    assert client.post("/extract", json={"text": text}).json() == every
    try:
        predictor.relation_threshold = middle
        assert Extractor(predictor).extract(text).to_dict() == some
    finally:
        predictor.relation_threshold = 0.0


def test_requests_at_the_same_time_share_batches_and_get_their_own_answers(serve, gated):
    client = serve(gated)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(client.post, "/extract", json={"text": "first"})
        assert gated.begun.acquire(timeout=20)
        others = [
            pool.submit(client.post, "/extract", json={"texts": [f"{n} a", f"{n} b"]})
            for n in range(8)
        ]
        wait_until(lambda: waiting(client) == 16)
        gated.gate.set()
        assert first.result().json()["text"] == "first"
        for number, other in enumerate(others):
            found = [document["text"] for document in other.result().json()["documents"]]
            assert found == [f"{number} a", f"{number} b"]
    assert [len(texts) for _, texts in gated.calls] == [1, 16]


def waiting(client):
    """How many texts are in the queue."""
    return sum(len(job.entries) for job in client.service.batcher._jobs)


def wait_until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_many_real_requests_at_once_get_what_extract_finds(client, predictor):
    expected = {text: Extractor(predictor).extract(text).to_dict() for text in TEXTS}
    with ThreadPoolExecutor(8) as pool:
        sent = TEXTS * 8
        answers = pool.map(lambda text: client.post("/extract", json={"text": text}).json(), sent)
        for text, answer in zip(sent, answers):
            assert without_scores(answer) == without_scores(expected[text])
            for name in ("entities", "relations"):
                scores = [[item["score"] for item in r[name]] for r in (answer, expected[text])]
                # Other texts in a batch change the last digit at most.
                assert scores[0] == pytest.approx(scores[1], abs=2e-6)


def without_scores(record):
    found = {
        name: [{**item, "score": None} for item in record[name]]
        for name in ("entities", "relations")
    }
    return {**record, **found}


def test_health_model_and_the_openapi_document(serve, predictor):
    client = serve(predictor, scores={"entity_f1": 0.5}, max_texts=7)
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/model").json() == {
        "entity_types": ["Loc", "Peop", "Org", "Other"],
        "relation_types": list(predictor.relation_types),
        "threshold": 0.0,
        "unit": "sentence",
        "scores": {"entity_f1": 0.5},
        "version": VERSION,
        "limits": {
            "max_characters": 200_000, "max_texts": 7, "max_waiting": 64, "timeout": 60.0,
        },
    }  # fmt: skip
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {"/extract", "/extract-lines", "/draw", "/health", "/model"}
    extract = document["paths"]["/extract"]["post"]
    assert set(extract["responses"]) == {"200", "408", "413", "415", "422", "429", "503"}
    # Every key of an answer is described, and nothing else.
    one, _ = extract["responses"]["200"]["content"]["application/json"]["schema"]["oneOf"]
    record = client.post("/extract", json={"text": TEXTS[0]}).json()
    assert set(one["properties"]) == set(record) == set(one["required"])
    for name in ("entities", "relations"):
        assert set(one["properties"][name]["items"]["properties"]) == set(record[name][0])


# Limits


def test_too_much_is_413_and_the_limit_is_said(serve, gated):
    gated.gate.set()
    client = serve(gated, max_characters=10, max_texts=2)
    assert client.post("/extract", json={"text": "a" * 10}).status_code == 200
    for path in ("/extract", "/extract-lines", "/draw"):
        assert "11 characters; expected at most 10" in detail(
            client.post(path, json={"text": "a" * 11}), 413
        )
    assert "3 texts; expected at most 2" in detail(
        client.post("/extract", json={"texts": ["a"] * 3}), 413
    )
    limit = client.service.limits.max_bytes
    for content in (b" " * (limit + 1), iter([b" " * limit, b" "])):
        answer = client.post(
            "/extract", content=content, headers={"Content-Type": "application/json"}
        )
        assert f"more than {limit} bytes" in detail(answer, 413)
    fits = b'{"text": "a"}'
    padded = fits + b" " * (limit - len(fits))
    answer = client.post("/extract", content=padded, headers={"Content-Type": "application/json"})
    assert answer.json()["text"] == "a"


def test_malformed_is_422(serve, gated):
    gated.gate.set()
    client = serve(gated)
    assert "neither text nor texts" in detail(client.post("/extract", json={}), 422)
    assert 'the key "model"' in detail(
        client.post("/extract", json={"text": "a", "model": "/tmp/other.tar.gz"}), 422
    )
    assert "only one text is drawn" in detail(client.post("/draw", json={"texts": ["a"]}), 422)
    assert "the text cannot be processed: too long" in detail(
        client.post("/extract", json={"text": "bad"}), 422
    )
    assert "text 2 of texts cannot be processed" in detail(
        client.post("/extract", json={"texts": ["a", "bad"]}), 422
    )
    first, second, third = lines(client.post("/extract-lines", json={"texts": ["a", "bad", "b"]}))
    assert (first["text"], third["text"]) == ("a", "b")
    assert second["error"]["message"] == "too long" and second["line"] == 2


def test_another_type_is_415(client):
    body = b'{"text": "a"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = client.post("/extract", content=body, headers={"Content-Type": kind})
        assert f"the body's type is {kind}" in detail(answer, 415)
    right = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post("/extract", content=body, headers=right).status_code == 200


def test_too_many_at_once_is_429_and_the_others_are_answered(serve, gated):
    client = serve(gated, max_waiting=3)
    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(client.post, "/extract", json={"text": "a"}) for _ in range(3)]
        wait_until(lambda: client.service.guard._in_progress == 3)
        refused = client.post("/extract", json={"text": "b"})
        assert "3 requests are in progress; expected at most 3" in detail(refused, 429)
        assert refused.headers["retry-after"] == "1"
        # What costs nothing is always answered.
        assert client.get("/health").status_code == client.get("/").status_code == 200
        gated.gate.set()
        assert [one.result().status_code for one in first] == [200] * 3
    assert client.post("/extract", json={"text": "b"}).json()["text"] == "b"


def test_too_slow_is_503_and_what_waited_is_dropped(serve, gated):
    client = serve(gated, timeout=0.3)
    assert "no answer within 0.3 seconds" in detail(
        client.post("/extract", json={"text": "a"}), 503
    )
    assert detail(client.post("/extract", json={"text": "b"}), 503)
    gated.gate.set()
    assert client.post("/extract", json={"text": "c"}).json()["text"] == "c"
    assert [texts for _, texts in gated.calls] == [["a"], ["c"]]


def test_who_goes_before_the_answer_takes_no_more_time(serve, gated):
    client = serve(gated)
    body = {"type": "http.request", "body": b'{"texts": ["b", "c"]}', "more_body": False}
    messages = [body, {"type": "http.disconnect"}]

    async def ask():
        async def receive():
            return messages.pop(0)

        async def send(message):
            pass

        scope = {
            "type": "http", "method": "POST", "path": "/extract", "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }  # fmt: skip
        await client.service.app(scope, receive, send)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/extract", json={"text": "a"})
        assert gated.begun.acquire(timeout=20)
        client.portal.call(ask)
        assert messages == [] and client.service.guard._in_progress == 1
        gated.gate.set()
        assert first.result().json()["text"] == "a"
    assert client.post("/extract", json={"text": "d"}).json()["text"] == "d"
    assert [texts for _, texts in gated.calls] == [["a"], ["d"]]


def test_a_stream_that_is_too_slow_still_has_a_line_for_each_text(serve, gated):
    client = serve(gated, timeout=0.3)
    found = lines(client.post("/extract-lines", json={"texts": ["a", "b", "c"]}))
    assert [(one["error"]["type"], one["line"]) for one in found] == [
        ("TimeoutError", 1), ("TimeoutError", 2), ("TimeoutError", 3),
    ]  # fmt: skip
    assert "no answer within 0.3 seconds" in found[2]["error"]["message"]


def test_while_stopping_it_is_503(serve, gated):
    client = serve(gated)
    client.service.guard.stopping = True
    refused = client.post("/extract", json={"text": "a"})
    assert "being stopped" in detail(refused, 503) and refused.headers["retry-after"] == "60"
    client.service.guard.stopping = False
    client.service.batcher.stop()
    assert "being stopped" in detail(client.post("/extract", json={"text": "a"}), 503)


def test_a_bug_is_500_and_says_nothing_of_the_inside(serve, gated):
    gated.gate.set()
    client = serve(gated, raise_server_exceptions=False)
    failed = client.post("/extract", json={"text": "bug"})
    assert detail(failed, 500) == "the service failed; its log has the reason"
    (line,) = lines(client.post("/extract-lines", json={"text": "bug"}))
    assert line["error"]["message"] == "the service failed; its log has the reason"
    assert client.post("/extract", json={"text": "a"}).status_code == 200


def test_other_addresses_and_methods_say_what_there_is(client):
    assert "expected POST /extract" in detail(client.get("/docs"), 404)
    assert "expected POST /extract" in detail(client.get("/../joint_ner_re.json"), 404)
    assert "expected POST /extract" in detail(client.get("/extract"), 405)
    assert "expected POST /extract" in detail(client.put("/model", json={}), 405)


# The page


def test_the_page_is_whole_and_its_policy_strict(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy and "http" not in policy
    for name in ("page.css", "page.js", "picture.css"):
        assert f'"{name}"' in page.text
        answer = client.get(f"/{name}")
        assert answer.status_code == 200 and answer.headers["x-content-type-options"] == "nosniff"
        assert "//" not in answer.text.replace("\n// ", "").replace("  // ", "").replace(
            "; // ", ""
        )
    assert "style=" not in page.text and "onclick" not in page.text and "//" not in page.text


def test_another_site_may_not_read_answers(client):
    headers = {"Origin": "http://elsewhere.example"}
    answer = client.post("/extract", json={"text": "a"}, headers=headers)
    asked = {"Access-Control-Request-Method": "POST", **headers}
    assert client.options("/extract", headers=asked).status_code == 405
    for one in (answer, client.options("/extract", headers=asked)):
        assert not [name for name in one.headers if name.startswith("access-control")]


class Seen(HTMLParser):
    """What a browser sees: elements with their attributes, and the text without labels."""

    def __init__(self):
        super().__init__()
        self.names, self.text, self._inside = defaultdict(set), "", []

    def handle_starttag(self, tag, attrs):
        self.names[tag] |= {name for name, _ in attrs}
        self._inside.append(tag)

    def handle_endtag(self, tag):
        self._inside.remove(tag)

    def handle_data(self, data):
        if not {"b", "svg"} & set(self._inside):
            self.text += data


def test_markup_in_a_text_is_drawn_as_text(client):
    answer = client.post("/draw", json={"text": MARKUP}).json()
    assert answer["document"] == client.post("/extract", json={"text": MARKUP}).json()
    seen = Seen()
    seen.feed(answer["drawing"])
    assert seen.names == {
        "div": {"class"}, "p": set(), "mark": {"class", "title"}, "b": set(),
        "svg": {"class", "width", "height"}, "g": {"class"}, "title": set(),
        "path": {"d"}, "text": {"class", "x", "y"}, "tspan": {"x", "y"},
    }  # fmt: skip
    assert seen.text == MARKUP
    found = len(answer["document"]["relations"])
    assert answer["relations_not_drawn"] == found - MAX_DRAWN_RELATIONS > 0


def test_a_drawing_has_the_most_probable_relations():
    tokens = ["a"] * 30
    entities = [
        {
            "type": "A", "start": n, "end": n + 1, "char_start": 2 * n, "char_end": 2 * n + 1,
            "text": "a", "score": 0.5,
        }
        for n in range(30)
    ]  # fmt: skip
    pairs = [(head, tail) for head in range(30) for tail in range(30) if head != tail]
    relations = [
        {"type": "R", "head": head, "tail": tail, "score": number / 1000}
        for number, (head, tail) in enumerate(pairs)
    ]
    record = {
        "id": "", "text": " ".join(tokens), "tokens": tokens,
        "offsets": [[2 * n, 2 * n + 1] for n in range(30)],
        "entities": entities, "relations": relations,
    }  # fmt: skip
    drawn = drawing_of(record)
    assert drawn["document"] == record
    assert drawn["relations_not_drawn"] == len(pairs) - MAX_DRAWN_RELATIONS
    assert drawn["drawing"].count("<g ") == MAX_DRAWN_RELATIONS
    assert "R 0.87<" in drawn["drawing"] and "R 0.66<" not in drawn["drawing"]
