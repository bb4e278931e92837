"""Hostile texts through everything that predicts: `allennlp predict`, extraction and spaCy.

Each text must give a prediction or an error record in its place; offsets must slice the surface
from the text, scores lie in [0, 1], and the texts around a bad one must come out as without it.
"""

import json
import logging
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import spacy
from results import Result
from spacy.tokens import Doc

import joint_ner_re.plugin  # noqa: F401
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.sentence import Sentence

TEXTS = 10_000
BATCH = 50
# A model that was trained for an instant finds entities everywhere and relations among all of them,
# which takes its time; every tenth file is for it, the others are for one that knows its corpus.
EPOCHS = {"hasty": 2, "trained": 40}
HASTY = 10
MAX_MEGABYTES = 4000
# A pipeline with this package's tokenizer in place of spaCy's own.
FINE = {"nlp": {"tokenizer": {"@tokenizers": "joint_ner_re.fine.v1"}}}
ROOT = Path(__file__).parents[1]

NORMAL = [
    "Ada Marek lives in Kesh.",
    "Hart shot Pell in Lisgard; she works for Brod Mining!",
    "Karl Vik was a guard at the Bank of Tarnia.",
    "It rained for nine days.",
]
CONTROLS = [chr(n) for n in (*range(32), *range(127, 160))]
INVISIBLE = list("\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u061c\u180e\u2028\u2029\x85\xa0\u3000")
COMBINING = [chr(n) for n in range(0x300, 0x340)]
BIDI = list("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
SURROGATES = [chr(n) for n in (0xD800, 0xDBFF, 0xDC00, 0xDFFF)]
SPECIAL = ["@@PADDING@@", "@@UNKNOWN@@", "[CLS]", "</s>", "<script>alert(1)</script>", "{", "}",
           "{}", "null", '{"text"', "NaN", "' OR 1=1", "=1+1", "%s%n", "\\ud800", "...", "?!" * 9,
           "\N{WOMAN}\u200d\N{GIRL}", "e\u0301", "שלום", "今日は", "ﬃ", "ß", "İ"]  # fmt: skip


def _anything(random: Random) -> str:
    return chr(random.choice([random.randrange(0xD800), random.randrange(0xE000, 0x110000)]))


def _sampled(characters: list[str]) -> Callable[[Random], str]:
    """Texts in which these stand between words."""

    def made(random: Random) -> str:
        pieces = random.choice(NORMAL).split(" ")
        for _ in range(random.randint(1, 12)):
            place = random.randint(0, len(pieces))
            pieces.insert(
                place, "".join(random.choices(characters, k=random.choice([1, 1, 3, 40])))
            )
        return random.choice([" ", "", "  "]).join(pieces)

    return made


KINDS: dict[str, Callable[[Random], str]] = {
    "normal": lambda random: random.choice(NORMAL),
    "any characters": lambda random: "".join(
        _anything(random) for _ in range(random.randint(0, 80))
    ),
    "controls": _sampled(CONTROLS),
    "invisible": _sampled(INVISIBLE),
    "combining": _sampled(COMBINING),
    "bidirectional": _sampled(BIDI),
    "surrogates": _sampled(SURROGATES),
    "special": _sampled(SPECIAL),
    "marks": _sampled(list("()[]{}'\"-.,;:!?@#$%^&*_=+/\\|<>~`")),
    "long word": lambda random: (
        random.choice(["x", "-", "(", "'s", "中", "1.", "e\u0301"])
        * random.choice([200, 301, 3000])
    ),
    "many words": lambda random: " ".join(random.choices("abcXYZ123.", k=random.choice([99, 999]))),
}
# Once each, and alone.
LARGE: dict[str, Callable[[], str]] = {
    "1 MB of one letter": lambda: "x" * 10**6,
    "1 MB of dashes": lambda: "-" * 10**6,
    "1 MB of brackets and quotes": lambda: "(['" * (10**6 // 3),
    "1 MB of combining marks": lambda: "e" + "\u0301" * 10**6,
    "1 MB of zero-width spaces": lambda: "\u200b" * 10**6,
    "1 MB of ideographs": lambda: "中文" * (10**6 // 2),
    "100,000 one-letter words": lambda: "a " * 10**5,
    "100,001 one-letter words": lambda: "a " * (10**5 + 1),
    "5 MB of words": lambda: "word " * 10**6,
}


def _line(text: str, random: Random) -> bytes:
    """A line of an input file: plain, as JSON, or broken."""
    form = random.random()
    surrogates = any("\ud800" <= character <= "\udfff" for character in text)
    if form < 0.4 and not surrogates:
        return text.replace("\n", " ").encode("utf-8")
    if form < 0.9:
        record: dict[str, Any] = {"id": random.choice(["a", 7, None, "é"])}
        if random.random() < 0.3:
            record["tokens"] = text.split(" ")
        else:
            record[random.choice(["text", "sentence"])] = text
        return json.dumps(record, ensure_ascii=surrogates or random.random() < 0.5).encode("utf-8")
    return random.choice([
        text.encode("utf-16", "surrogatepass").replace(b"\n", b" "),
        text.encode("latin-1", "replace").replace(b"\n", b" ") + b"\xff",
        b"{" + text.encode("utf-8", "replace").replace(b"\n", b" "),
        json.dumps({"txt": text}).encode(),
        json.dumps({"text": 3, "id": "n"}).encode(),
        json.dumps({"text": text, "tokens": "no list"}).encode(),
        b'{"text": "x", "n": NaN}',
        b'{"text": ' + b"[" * 20_000,
        b'{"text": "x", "n": ' + b"9" * 5000 + b"}",
    ])  # fmt: skip


def run(directory: Path, seed: int, seconds: float) -> Result:
    """See the top of `run.py`."""
    begin = time.monotonic()
    work = directory / "texts"
    work.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.WARNING)
    archives = {name: _archive(work, epochs) for name, epochs in EPOCHS.items()}
    end = begin + seconds
    rows: list[list[Any]] = []
    failures: list[str] = []
    for name, trial, share in (
        ("allennlp predict", _predict, 0.5),
        ("spaCy component", _spacy, 0.7),
        ("large texts", _large, 1.0),
    ):
        started = time.monotonic()
        figures, problems = trial(archives, work, seed, started + share * (end - started))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        rows.append([name, *figures, peak, time.monotonic() - started])
        print(f"  {name}: {figures[0]} texts, {len(problems)} problems", flush=True)
        failures += [f"{name} (seed {seed}): {problem}" for problem in problems[:20]]
        if peak > MAX_MEGABYTES:
            failures.append(f"{name}: {peak} MB of memory; expected at most {MAX_MEGABYTES}")
    columns = ["through", "texts", "predicted", "error records or refused", "entities",
               "relations", "peak memory (MB)", "seconds"]  # fmt: skip
    return Result("Hostile texts", columns, rows, failures)


def _archive(work: Path, epochs: int) -> Path:
    """A model of the fixtures."""
    from allennlp.commands.train import train_model_from_file

    run = Path(tempfile.mkdtemp(dir=work)) / "run"
    config = str(ROOT / "fixtures" / "tiny.jsonnet")
    with _in(ROOT):
        train_model_from_file(config, str(run), json.dumps({"trainer.num_epochs": epochs}))
    return run / "model.tar.gz"


def _model_of(number: int) -> str:
    """By which model this file, or this batch of texts, is predicted."""
    return "trained" if number % HASTY else "hasty"


@contextmanager
def _in(directory: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


class _Count:
    """What came out, and what is wrong with it."""

    def __init__(self) -> None:
        self.texts = self.predicted = self.refused = self.entities = self.relations = 0
        self.problems: list[str] = []

    def take(self, record: dict[str, Any], where: str) -> None:
        self.texts += 1
        if "error" in record:
            self.refused += 1
            if set(record) != {"id", "error", "line"} or not record["error"]["message"]:
                self.problems.append(f"{where}: the error record is {record!r:.200}")
            return
        self.predicted += 1
        self.entities += len(record["entities"])
        self.relations += len(record["relations"])
        wrong = _wrong(record)
        if wrong:
            self.problems.append(f"{where}: {wrong}")

    def figures(self) -> list[int]:
        return [self.texts, self.predicted, self.refused, self.entities, self.relations]


def _wrong(record: dict[str, Any]) -> str:
    """What is wrong with a prediction, if anything."""
    text = record["text"]
    for token, (begin, end) in zip(record["tokens"], record["offsets"]):
        if text[begin:end] != token:
            return f"the token {token!r:.50} at {begin} to {end} is {text[begin:end]!r:.50}"
    for entity in record["entities"]:
        if text[entity["char_start"] : entity["char_end"]] != entity["text"]:
            return f"the entity {entity!r:.200} is not at its place"
    for item in record["entities"] + record["relations"]:
        # Not a number is not between any two.
        if not 0 <= item["score"] <= 1:
            return f"the score is {item['score']!r}"
    try:
        Sentence.from_json(record)
    except ValueError as error:
        return str(error)
    return ""


def _predict(
    archives: Mapping[str, Path], work: Path, seed: int, end: float
) -> tuple[list[int], list[str]]:
    """Files with good and bad lines, by the command itself."""
    count = _Count()
    number = 0
    predictors = {name: _loaded(archive) for name, archive in archives.items()}
    alone: dict[tuple[str, str], Any] = {
        (name, text): predictor.predict_json({"text": text})
        for name, predictor in predictors.items()
        for text in NORMAL
    }
    while count.texts < TEXTS and time.monotonic() < end:
        random = Random(f"{seed}:predict:{number}")
        kinds = random.choices(list(KINDS), k=BATCH)
        lines = [_line(KINDS[kind](random), random) for kind in kinds]
        lines = [line for line in lines if not line.decode("utf-8", "replace").isspace() and line]
        # A file with many zeros is taken for a binary one, which tests/test_inputs.py covers.
        lines = [line for line in lines if line.count(0) * 100 <= len(line)]
        # At known places, lines whose predictions are known.
        for place in range(0, len(lines), 10):
            lines[place] = random.choice(NORMAL).encode()
        source, target = work / "in.txt", work / "out.jsonl"
        source.write_bytes(b"\n".join(lines) + b"\n")
        model = _model_of(number)
        status = _command(predictors[model], source, target, random.choice([1, 7, 16]))
        found = target.read_bytes().splitlines()
        where = f"file {number}"
        if len(found) != len(lines):
            count.problems.append(f"{where}: {len(found)} lines for {len(lines)}")
            break
        records = [json.loads(line) for line in found]
        for place, record in enumerate(records):
            count.take(record, f"{where}, line {place + 1} ({lines[place]!r:.80})")
            if "error" in record and record["line"] != place + 1:
                count.problems.append(f"{where}: line {place + 1} is called {record['line']}")
            if place % 10 == 0 and not _alike(record, alone[model, lines[place].decode()]):
                count.problems.append(f"{where}: line {place + 1} is not as on its own")
        failed = sum("error" in record for record in records)
        if bool(status) != bool(failed) or (failed and f"{failed} of {len(records)}" not in status):
            count.problems.append(
                f"{where}: {failed} errors, but the command ended with {status!r}"
            )
        number += 1
    if count.texts < TEXTS:
        count.problems.append(f"time for {count.texts} of {TEXTS} texts only")
    return count.figures(), count.problems


def _loaded(archive: Path) -> JointPredictor:
    from joint_ner_re.predictors.loading import load_predictor

    return load_predictor(str(archive))


def _command(predictor: JointPredictor, source: Path, target: Path, batch: int) -> str:
    """`allennlp predict` behind its loading of the model; what it says as it exits."""
    from allennlp.commands import predict

    from joint_ner_re.commands.endings import CommandError

    manager = predict._PredictManager(predictor, str(source), str(target), batch, False, False)
    try:
        manager.run()
    except CommandError as error:
        return str(error)
    return ""


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """The same but for the last digits of scores."""
    if [one["tokens"], one["offsets"]] != [other["tokens"], other["offsets"]]:
        return False
    for name in ("entities", "relations"):
        if len(one[name]) != len(other[name]):
            return False
        for a, b in zip(one[name], other[name]):
            if abs(a["score"] - b["score"]) > 1e-5 or {**a, "score": 0} != {**b, "score": 0}:
                return False
    return True


def _spacy(
    archives: Mapping[str, Path], work: Path, seed: int, end: float
) -> tuple[list[int], list[str]]:
    """The component behind spaCy's own tokenizer, and behind this package's."""
    count = _Count()
    pipelines = {
        name: [_pipeline(archive, config) for config in ({}, FINE)]
        for name, archive in archives.items()
    }
    number = 0
    while count.texts < TEXTS and time.monotonic() < end:
        random = Random(f"{seed}:spacy:{number}")
        model = _model_of(number)
        # Each model's batches go through both tokenizers in turn.
        own_tokenizer = (number // HASTY if model == "hasty" else number) % 2
        nlp = pipelines[model][own_tokenizer]
        # The time that spaCy's own tokenizer takes grows with the square of a word.
        names = [kind for kind in KINDS if own_tokenizer or kind != "long word"]
        texts = [KINDS[kind](random) for kind in random.choices(names, k=BATCH)]
        # What is no character spaCy refuses before any component sees it.
        refused = [text for text in texts if any("\ud800" <= c <= "\udfff" for c in text)]
        for text in refused[:2]:
            try:
                nlp(text)
                count.problems.append(f"texts {number}: half a character was taken: {text!r:.80}")
            except UnicodeEncodeError:
                pass
        count.refused += len(refused)
        count.texts += len(refused)
        for text, doc in zip(
            [text for text in texts if text not in refused],
            nlp.pipe(text for text in texts if text not in refused),
        ):
            count.take(_as_record(doc), f"texts {number} ({text!r:.80})")
            if doc.text != text or any(span.text not in text for span in doc.ents):
                count.problems.append(f"texts {number}: the Doc's text is another: {text!r:.80}")
        number += 1
    if count.texts < TEXTS:
        count.problems.append(f"time for {count.texts} of {TEXTS} texts only")
    return count.figures(), count.problems


def _pipeline(archive: Path, config: dict[str, Any]) -> spacy.Language:
    nlp = spacy.blank("en", config=config)
    nlp.add_pipe("joint_ner_re", config={"archive": str(archive), "split_sentences": True})
    return nlp


def _as_record(doc: Doc) -> dict[str, Any]:
    """A Doc's annotations as `allennlp predict` writes them, each character a token."""
    entities = [
        {**entity, "text": doc.text[entity["char_start"] : entity["char_end"]],
         "start": entity["char_start"], "end": entity["char_end"]}
        for entity in doc._.joint_entities
    ]  # fmt: skip
    return {
        "id": "",
        "text": doc.text,
        "tokens": list(doc.text),
        "offsets": [[place, place + 1] for place in range(len(doc.text))],
        "entities": entities,
        "relations": doc._.relations,
    }


def _large(
    archives: Mapping[str, Path], work: Path, seed: int, end: float
) -> tuple[list[int], list[str]]:
    """Each large text between two others: in a file for the command, and in a batch for spaCy."""
    count = _Count()
    predictor = _loaded(archives["hasty"])
    nlp = _pipeline(archives["trained"], FINE)
    refused: list[Doc] = []
    nlp.set_error_handler(lambda name, component, docs, error: refused.extend(docs))
    for name, make in LARGE.items():
        if time.monotonic() > end:
            count.problems.append(f"no time for {name}")
            continue
        begin = time.monotonic()
        lines = [NORMAL[0].encode(), json.dumps({"sentence": make()}).encode(), NORMAL[1].encode()]
        source, target = work / "in.txt", work / "out.jsonl"
        source.write_bytes(b"\n".join(lines) + b"\n")
        _command(predictor, source, target, 3)
        records = [json.loads(line) for line in target.read_bytes().splitlines()]
        if len(records) != 3:
            count.problems.append(f"{name}: {len(records)} lines for 3")
        for record in records:
            count.take(record, name)
        if "error" in records[0] or "error" in records[2]:
            count.problems.append(f"{name}: its neighbours were lost")
        # What is longer spaCy refuses itself.
        texts = [NORMAL[0], make()[: nlp.max_length], NORMAL[1]]
        refused.clear()
        docs = list(nlp.pipe(texts))
        count.refused += len(refused)
        count.texts += len(refused)
        for doc in docs:
            count.take(_as_record(doc), f"{name}, spaCy")
        if [doc.text for doc in docs if doc.text in NORMAL] != [NORMAL[0], NORMAL[1]]:
            count.problems.append(f"{name}, spaCy: its neighbours were lost")
        if sorted(doc.text for doc in [*docs, *refused]) != sorted(texts):
            count.problems.append(f"{name}, spaCy: a Doc was lost")
        print(f"  {name}: {time.monotonic() - begin:.1f} s", flush=True)
    return count.figures(), count.problems
