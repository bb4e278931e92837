"""The page in headless Chromium: typing, Enter, the slider, long texts, and markup in a text."""

import json
import re
import threading

import pytest
import uvicorn

from joint_ner_re.extractor import Extractor
from joint_ner_re.sentence import Entity, Sentence
from joint_ner_re.service.app import Service
from joint_ner_re.service.limits import Limits
from joint_ner_re.service.server import address_of, bound_socket

TEXT = "Ada Marek lives in Kesh."
MARKUP = "</script><script>window.ran=1</script> <img src=x onerror=window.ran=1> Ada in Kesh."


class Quick:
    """The model, except for long texts: there every `Kesh` is a place, which takes no time."""

    def __init__(self, predictor):
        self.predictor = predictor
        self.entity_types, self.relation_types = predictor.entity_types, predictor.relation_types
        self.relation_threshold, self.unit = 0.0, predictor.unit

    def predict_batch_json(self, inputs):
        (text,) = [record["text"] for record in inputs]
        if len(text) < 10_000:
            self.predictor.relation_threshold = self.relation_threshold
            try:
                return self.predictor.predict_batch_json(inputs)
            finally:
                self.predictor.relation_threshold = 0.0
        offsets = [match.span() for match in re.finditer(r"\w+|\.", text)]
        tokens = [text[begin:end] for begin, end in offsets]
        entities = [
            Entity("Loc", n, n + 1, 0.5) for n, token in enumerate(tokens) if token == "Kesh"
        ]
        sentence = Sentence(tokens, entities, text=text, offsets=offsets)
        return [{**sentence.to_json(), "sentences": [[0, len(tokens)]]}]


@pytest.fixture(scope="module")
def address(browser, predictor):
    """The address of the service, which a thread of this process runs."""
    service = Service(Quick(predictor), Limits(max_characters=60_000))
    with bound_socket("127.0.0.1", 0) as bound:
        place = address_of(bound)
        server = uvicorn.Server(uvicorn.Config(service.app, lifespan="on", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        yield place
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(browser, address):
    """The page; at the end there was no complaint, no dialog, and no other place was asked."""
    complaints, requests = [], []
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    yield page
    assert page.evaluate("window.ran") is None
    context.close()
    assert [one for one in complaints if "413" not in one] == []
    assert all(url.startswith((address, "data:")) for url in requests)


def found(page, text):
    """Waits until the status has the text."""
    page.locator("#status", has_text=text).wait_for(timeout=30_000)


def numbers(record):
    entities, relations = len(record["entities"]), len(record["relations"])
    return f"{entities:,} entities, {relations:,} relations"


def test_typing_and_enter_show_what_extract_finds(page, predictor):
    record = Extractor(predictor)(TEXT).to_dict()
    assert "Entities: Loc, Peop, Org, Other." in page.inner_text("#about")
    page.type("#text", TEXT)
    page.press("#text", "Shift+Enter")
    assert page.input_value("#text") == TEXT + "\n" and not page.is_visible("#result")
    page.press("#text", "Backspace")
    page.press("#text", "Enter")
    found(page, numbers(record))
    marks = page.locator("#drawing mark").all_text_contents()
    assert marks == [entity["text"] + entity["type"] for entity in record["entities"]]
    cells = page.locator("#entities tbody tr").first.locator("td").all_inner_texts()
    first = record["entities"][0]
    assert cells == [
        first["text"], first["type"], f"{first['score']:.3f}",
        f"{first['char_start']}–{first['char_end']}",
    ]  # fmt: skip
    assert page.locator("#relations tbody tr").count() == len(record["relations"])
    assert page.locator("#drawing svg").first.bounding_box()["height"] > 60
    page.click("#copy")
    page.get_by_text("Copied.").wait_for()
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == record


def test_the_slider_leaves_out_improbable_relations(page, predictor):
    record = Extractor(predictor)(TEXT).to_dict()
    page.fill("#text", TEXT)
    page.click("#find")
    found(page, numbers(record))
    assert page.inner_text("#chosen") == "0.00" and page.is_disabled("#own")
    page.fill("#threshold", "1")
    found(page, "0 relations")
    assert page.inner_text("#chosen") == "1.00" and page.locator("#drawing svg").count() == 0
    page.click("#own")
    found(page, numbers(record))


def test_an_empty_text_and_one_that_is_too_long_are_said(page):
    page.press("#text", "Enter")
    found(page, "The text is empty")
    page.fill("#text", "a" * 60_001)
    page.click("#find")
    found(page, "413: the request has 60001 characters; expected at most 60000")
    assert not page.is_visible("#result")


def test_fifty_thousand_characters(page):
    text = (TEXT + " It rained all day long in the north of it. ") * 720
    assert len(text) > 48_000
    page.fill("#text", text)
    page.press("#text", "Enter")
    found(page, "720 entities, 0 relations")
    assert page.locator("#drawing mark").count() == 720
    assert page.locator("#entities tbody tr").count() == 500
    assert page.inner_text("#entities caption") == "Entities, the first 500"
    page.click("#copy")
    page.get_by_text("Copied.").wait_for()
    record = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert record["text"] == text and len(record["entities"]) == 720


def test_markup_in_a_text_is_shown_and_never_run(page):
    page.fill("#text", MARKUP)
    page.press("#text", "Enter")
    found(page, "entities")
    shown = page.locator("#drawing p").first.evaluate(
        """line => {
            const copy = line.cloneNode(true);
            copy.querySelectorAll("b").forEach(label => label.remove());
            return copy.textContent;
        }"""
    )
    assert shown == MARKUP
    assert page.locator("#drawing script, #drawing img, #drawing [style]").count() == 0


def test_a_script_would_not_run_even_if_it_got_into_the_page(browser, address):
    # As if the escaping had failed.
    page = browser.new_page()
    page.goto(address)
    page.evaluate("bad => document.body.insertAdjacentHTML('beforeend', bad)", MARKUP[9:])
    page.wait_for_timeout(100)
    assert page.locator("img").count() == 1 and page.evaluate("window.ran") is None
    page.close()


def test_every_example_is_answered(page):
    for button in page.locator(".example").all():
        button.click()
        found(page, "relation")
        assert page.locator("#drawing p").first.inner_text()
