"""The page in headless Chromium: that it loads, filters, and runs nothing but its own script."""

import pytest

from joint_ner_re.review import page as page_module
from joint_ner_re.review import write_page
from joint_ner_re.review.markup import draw_sentence
from joint_ner_re.sentence import Entity, Relation, Sentence

PAIR = ["Ada", "lives", "in", "Kesh"]


@pytest.fixture
def load(browser):
    """Opens a page; at the end there was no error, no dialog and nothing fetched."""
    complaints, contexts = [], []

    def opened(path, address=""):
        context = browser.new_context(viewport={"width": 1200, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri() + address)
        return page

    requests = []
    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert all(url.startswith("file:") and ".html" in url for url in requests)


def sentence(number):
    """Number 0 has a missed Loc, 1 a Peop that should be Loc, 2 a reversed relation, 3 nothing."""
    name, relation = f"s{number}", Relation("Live_In", 0, 1)
    gold = Sentence(PAIR, [Entity("Peop", 0, 1), Entity("Loc", 3, 4)], [relation], id=name)
    entities = [Entity("Peop", 0, 1, 0.9), Entity("Loc", 3, 4, 0.8)]
    relations = [Relation("Live_In", 0, 1, 0.7)]
    if number % 4 == 0:
        entities, relations = entities[:1], []
    elif number % 4 == 1:
        entities[1] = Entity("Peop", 3, 4, 0.6)
    elif number % 4 == 2:
        relations = [Relation("Live_In", 1, 0, 0.7)]
    return Sentence(PAIR, entities, relations, id=name), gold


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A page of 20 sentences, 6 at a time, with gold."""
    path = tmp_path_factory.mktemp("checked") / "page.html"
    write_page(path, "mine, compared with gold", map(sentence, range(20)), per_page=6)
    return path


def shown(page):
    """The names of the sentences in sight."""
    return page.locator("article h2").all_inner_texts()


def status(page):
    return page.inner_text("#status")


def address(page):
    return page.evaluate("location.hash")


def cell(page, line, column):
    """A cell of the table, by the text its line begins with and its column's heading."""
    heads = page.locator("#scores thead th").all_inner_texts()
    place = next(number for number, head in enumerate(heads) if head.endswith(column))
    return page.locator("#scores tbody tr").filter(has_text=line).first.locator("th, td").nth(place)


def test_a_page_shows_counts_scores_and_the_first_sentences(load, checked):
    page = load(checked)
    assert page.title() == page.inner_text("h1") == "mine, compared with gold"
    assert status(page) == "20 sentences"
    assert shown(page) == [f"s{number}" for number in range(6)]
    # 40 gold entities; 5 missed, 5 of another type.
    assert cell(page, "Entities, all", "gold").inner_text() == "40"
    assert cell(page, "Entities, all", "correct").inner_text() == "30"
    assert cell(page, "Entities, all", "missed").inner_text() == "5"
    assert cell(page, "Entities, all", "recall").inner_text() == "75.0"
    assert cell(page, "Live_In", "reversed").inner_text() == "5"
    assert cell(page, "Live_In", "wrong argument").inner_text() == "5"
    # Drawings have a size, and arcs their colour.
    assert page.locator("article svg").first.bounding_box()["height"] > 60
    stroke = page.locator("g.argument path").first.evaluate("e => getComputedStyle(e).stroke")
    assert stroke == "rgb(86, 180, 233)"


def test_filter_by_kind_and_type(load, checked):
    page = load(checked)
    page.click("#kinds .missed")
    assert shown(page) == ["s0", "s4", "s8", "s12", "s16"]
    assert status(page) == "5 of 20 sentences, 10 matches"
    page.select_option("#type", label="Loc")
    assert status(page) == "5 of 20 sentences, 5 matches"
    assert address(page) == "#error=missed&type=Loc&task=entity"
    # What does not fit is set back, what fits is not.
    first = page.locator("article").first
    assert first.locator("mark.other").all_inner_texts() == ["Ada\u2713 Peop"]
    assert "other" not in first.locator("mark.missed").get_attribute("class")
    page.click("#kinds .mistyped")
    assert status(page) == "10 of 20 sentences, 10 matches"
    page.click("#kinds .missed")
    assert shown(page) == ["s1", "s5", "s9", "s13", "s17"]
    page.select_option("#type", label="all relations")
    assert shown(page) == [] and "No sentence fits" in page.inner_text("main")
    page.click("#reset")
    assert status(page) == "20 sentences" and address(page) == ""


def test_any_error(load, checked):
    page = load(checked)
    page.click("#kinds .any")
    assert status(page).startswith("15 of 20 sentences") and address(page) == "#error=any"
    pressed = page.locator("#kinds [aria-pressed=true]").count()
    assert pressed == page.locator("#kinds button").count() - 1
    page.click("#kinds .any")
    assert status(page) == "20 sentences"


def test_a_number_of_the_table_shows_its_sentences(load, checked):
    page = load(checked)
    cell(page, "Live_In", "reversed").get_by_role("button").click()
    assert shown(page) == ["s2", "s6", "s10", "s14", "s18"]
    assert address(page) == "#error=reversed&type=Live_In&task=relation"


def test_search_finds_text_and_names_in_any_case(load, checked):
    page = load(checked)
    page.keyboard.press("/")
    page.keyboard.type("S1")
    assert shown(page) == ["s1", "s10", "s11", "s12", "s13", "s14"]
    assert status(page) == "11 of 20 sentences" and address(page) == "#search=S1"
    page.fill("#search", "LIVES in")
    assert status(page) == "20 sentences"
    page.fill("#search", "✓ Peop")
    assert status(page) == "0 of 20 sentences"


def test_pages_turn_by_button_key_and_number(load, checked):
    page = load(checked)
    assert page.is_disabled("#previous") and page.inner_text("#pages") == "4"
    page.click("#next")
    assert shown(page) == [f"s{number}" for number in range(6, 12)]
    page.locator("body").press("ArrowRight")
    page.locator("body").press("ArrowRight")
    assert shown(page) == ["s18", "s19"] and page.is_disabled("#next")
    page.locator("body").press("ArrowRight")
    assert address(page) == "#page=4"
    page.locator("body").press("ArrowLeft")
    assert page.input_value("#page") == "3"
    page.fill("#page", "1")
    page.keyboard.press("Enter")
    assert shown(page)[0] == "s0" and address(page) == ""
    # In a field the arrows are the field's.
    page.focus("#search")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#page") == "1"
    # A new filter begins at its first page.
    page.click("#next")
    page.click("#kinds .correct")
    assert page.input_value("#page") == "1"


def test_an_address_opens_what_it_says(load, checked):
    page = load(checked, "#error=missed&type=Loc")
    assert shown(page) == ["s0", "s4", "s8", "s12", "s16"]
    assert page.locator("#type option:checked").inner_text() == "Loc"
    # s1, s10, s12, s13, s14, s16 are on the first page.
    page = load(checked, "#error=any&search=s1&page=2")
    assert shown(page) == ["s17", "s18"] and page.input_value("#search") == "s1"
    page.evaluate("location.hash = '#error=spurious,reversed&task=relation'")
    page.wait_for_function("document.querySelector('#status').textContent.startsWith('5 of')")
    assert page.locator("#kinds [aria-pressed=true]").all_inner_texts() == [
        "⇄ reversed 5",
        "✗ spurious 0",
    ]


@pytest.mark.parametrize(
    "hash", ["#page=99", "#page=-1&error=nonsense", "#%%%&type", "#page=x", "#task=constructor"]
)
def test_an_address_that_makes_no_sense_shows_something(load, checked, hash):
    page = load(checked, hash)
    assert status(page) == "20 sentences" and shown(page)


def test_without_gold_there_are_types_only(load, tmp_path):
    pairs = ((sentence(number)[1], None) for number in range(3))
    write_page(tmp_path / "page.html", "corpus", pairs)
    page = load(tmp_path / "page.html")
    assert page.locator("#kinds button").count() == 0 and page.inner_text("#rules") == ""
    colours = (
        page.locator("article")
        .first.locator("mark")
        .evaluate_all("marks => marks.map(mark => getComputedStyle(mark).borderColor)")
    )
    assert len(set(colours)) == 2
    cell(page, "Loc", "number").get_by_role("button").click()
    assert status(page) == "3 sentences, 3 matches"


def test_controls_have_names(load, checked):
    page = load(checked)
    for role, name in [
        ("combobox", "Type"), ("searchbox", "Search"), ("spinbutton", "Page"),
        ("button", "Next page"), ("button", "Previous page"),
    ]:  # fmt: skip
        assert page.get_by_role(role, name=name).count() == 1, name


HOSTILE = [
    "<script>window.ran=1</script>",
    "</script><script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "<svg onload=window.ran=1>",
    "<!--<script>",
    "' onmouseover='window.ran=1",
    '" onmouseover="window.ran=1" x="',
    "javascript:window.ran=1",
    "]]></textPath><script>window.ran=1</script>",
    "</title><script>window.ran=1</script>",
    "&lt;b&gt; &amp;amp; {0} {text} $title %s \\u003cb>",
    "\u2028\u2029a",
    "\u0301\u0302lone",
    "\u202eright to left\u202d",
    "\u05e9\u05dc\u05d5\u05dd",
    "`${window.ran=1}`",
]


@pytest.mark.parametrize("with_gold", [True, False])
def test_a_hostile_corpus_is_shown_and_never_run(load, tmp_path, with_gold):
    pairs = []
    for text in HOSTILE:
        gold = Sentence(
            [text, "b", "c"],
            [Entity(text, 0, 1), Entity("X", 1, 2), Entity("Y", 0, 3)],
            [Relation(text, 0, 1)],
            id=text,
        )
        wrong = [Entity("Z" + text, 0, 1), Entity("X", 1, 3), Entity("Q", 2, 3)]
        predicted = Sentence(gold.tokens, wrong, [Relation("Z" + text, 1, 0)], id=text)
        pairs.append((predicted, gold) if with_gold else (gold, None))
    write_page(tmp_path / "<b>&.html", f"{HOSTILE[1]} & {HOSTILE[6]}", pairs)
    page = load(tmp_path / "<b>&.html", "#search=" + "%3Cimg%20src=x%20onerror=window.ran=1%3E")
    assert page.input_value("#search") == HOSTILE[2]
    assert shown(page) == [HOSTILE[2]]
    page.click("#reset")
    texts = page.locator("article h2").all_text_contents()
    assert texts == HOSTILE
    lines = page.locator("article").evaluate_all(
        """articles => articles.map(article => {
            const line = article.querySelector("p").cloneNode(true);
            line.querySelectorAll("b").forEach(label => label.remove());
            return line.textContent;
        })"""
    )
    assert lines == [f"{text} b c" for text in HOSTILE]
    labels = page.locator("article mark b").all_text_contents()
    assert all(any(text in label for label in labels) for text in HOSTILE)
    options = page.locator("#type option").all_text_contents()
    assert set(HOSTILE) <= set(options)
    # Whatever markup there is is ours.
    names = page.evaluate(
        "[...new Set([...document.querySelectorAll('main *')].map(e => e.localName))].sort()"
    )
    assert set(names) <= {
        "article", "h2", "bdi", "p", "mark", "b", "div", "svg", "text", "tspan", "title", "g",
        "path",
    }  # fmt: skip
    for mark in page.locator("article mark").all()[:12]:
        mark.hover(force=True)
    assert page.evaluate("window.ran") is None


def test_a_script_would_not_run_even_if_it_got_into_the_page(browser, checked, tmp_path):
    # As if the escaping had failed.
    html = checked.read_text(encoding="utf-8")
    bad = "<script>window.ran=1</script><img src='x' onerror='window.ran=1'>"
    (tmp_path / "page.html").write_text(html.replace("<main", bad + "<main"), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.evaluate("bad => document.body.insertAdjacentHTML('beforeend', bad)", bad)
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None and status(page) == "20 sentences"
    page.close()


def test_ten_thousand_sentences_stay_usable(load, tmp_path, monkeypatch):
    drawn = {}

    def draw_once(sentence, alignment, *rest):
        # Nearly all of the time goes into drawings, of which there are only four different ones.
        key = str(alignment)
        if key not in drawn:
            drawn[key] = draw_sentence(sentence, alignment, *rest)
        return drawn[key]

    monkeypatch.setattr(page_module, "draw_sentence", draw_once)
    path = tmp_path / "page.html"
    write_page(path, "many", map(sentence, range(10_000)))
    assert path.stat().st_size < 20e6
    page = load(path)
    assert status(page) == "10,000 sentences" and len(shown(page)) == 50
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert timing < 5000, "milliseconds until the page is there"
    took = {}
    for name, action in {
        "kind": "document.querySelector('#kinds .missed').click()",
        "search": "s = document.querySelector('#search'); s.value = 'S99'; "
        "s.dispatchEvent(new Event('input'))",
        "reset": "document.querySelector('#reset').click()",
        "page": "document.querySelector('#next').click()",
    }.items():
        took[name] = page.evaluate(
            f"() => {{ let s; const begin = performance.now(); {action}; "
            "document.body.getBoundingClientRect(); return performance.now() - begin; }"
        )
    # A tenth of this on a machine that has nothing else to do.
    assert max(took.values()) < 1500, took
    assert status(page) == "10,000 sentences"
    print({"load": round(timing), **{name: round(value) for name, value in took.items()}})
