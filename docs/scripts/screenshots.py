"""Takes the screenshots of docs/images: review.png and example.png.

Run `make demo` first, then this script from the repository's root:

    .venv/bin/python docs/scripts/screenshots.py build/demo/model.tar.gz

It needs Chromium (`apt-get install chromium`). The pictures show what the demo's model finds, so
look at them before you commit them.
"""

import io
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import joint_ner_re
from joint_ner_re.corpora import read_corpus
from joint_ner_re.review.page import write_page
from joint_ner_re.sentence import Sentence

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs/images"
DEV = ROOT / "fixtures/sample/dev.jsonl"
EXAMPLE = (
    "Carbamazepine 400 mg daily caused hyponatraemia and a rash, which settled on prednisolone."
)
# How many sentences with errors review.png shows.
SENTENCES = 2


def main(archive: str) -> None:
    """Draw both pages with the archive's model, and photograph them."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium is installed: apt-get install chromium")
    extractor = joint_ner_re.load(archive)
    gold = list(read_corpus(DEV))
    records = extractor.predictor.predict_batch_json([{"tokens": list(s.tokens)} for s in gold])
    # The records know the tokens only; with gold's text, the page shows the usual spaces.
    predicted = [
        replace(Sentence.from_json(record), id=s.id, text=s.text, offsets=s.offsets)
        for record, s in zip(records, gold)
    ]
    example = Sentence.from_json(extractor(EXAMPLE).to_dict())
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        review, single = Path(directory, "review.html"), Path(directory, "example.html")
        write_page(review, "dev.predicted.jsonl, compared with dev.jsonl", zip(predicted, gold))
        write_page(single, "example", [(example, None)])
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1120, "height": 1250})
        page.goto(f"{review.as_uri()}#error=any")
        save_review(page)
        page = browser.new_page(viewport={"width": 940, "height": 600}, bypass_csp=True)
        page.goto(single.as_uri())
        save_example(page)
        browser.close()


def save_review(page: Page) -> None:
    """The top of the page, down to the end of its first sentences."""
    last = page.locator("article").nth(SENTENCES - 1).bounding_box()
    assert last is not None
    clip = {"x": 0, "y": 0, "width": 1120, "height": last["y"] + last["height"]}
    save("review.png", page.screenshot(clip=clip, full_page=True))  # type: ignore[arg-type]


def save_example(page: Page) -> None:
    """The sentence alone, without its id."""
    page.add_style_tag(content="h2 { display: none } article { border: 0 !important }")
    save("example.png", page.locator("article").screenshot())


def save(name: str, png: bytes) -> None:
    """Write a picture with 256 colours, which takes a third of the space."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(PICTURES / name, optimize=True)
    print(f"docs/images/{name}: {picture.width} x {picture.height}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
