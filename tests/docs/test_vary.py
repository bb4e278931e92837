"""docs/vary.md, done as it says: parts from outside the package, chosen by their names."""

import importlib
import json

import pytest
import spacy
import torch
from allennlp.common.checks import ConfigurationError
from fences import FILE_NAME, blocks, follow

from joint_ner_re.archives import load_archive
from joint_ner_re.modules import EntityFinder, EntitySpans, RelationScorer
from joint_ner_re.sentence import Entity, Sentence

CORPUS = [Sentence(["lithium", "."], [Entity("Drug", 0, 1)])]


@pytest.fixture(scope="module")
def page(root):
    return root / "docs" / "vary.md"


@pytest.fixture(scope="module")
def directory(page, root, tmp_path_factory, few_threads):
    """Where the page was followed."""
    directory = tmp_path_factory.mktemp("vary")
    for name in (".allennlp_plugins", "fixtures", "training_config"):
        (directory / name).symlink_to(root / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.syspath_prepend(directory)
        # Smaller, which takes a third of the time.
        follow(page, {"epochs:: 12,": "epochs:: 8,\n  hidden_size:: 48,"})
    return directory


@pytest.fixture(scope="module")
def my_parts(page, tmp_path_factory):
    """The page's module."""
    (block,) = (b for b in blocks(page.read_text("utf-8")) if "class SpanClassifier" in b.content)
    directory = tmp_path_factory.mktemp("parts")
    name = FILE_NAME.match(block.content)[1]
    (directory / name).write_text(block.content, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        yield importlib.import_module("my_parts")


KINDS = ("entities", "relations")


def records(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def scores_of(records):
    return [item["score"] for record in records for key in KINDS for item in record[key]]


def without_scores(records):
    return [
        record | {key: [item | {"score": None} for item in record[key]] for key in KINDS}
        for record in records
    ]


def test_the_parts_learn_and_predict(directory):
    scores = json.loads((directory / "scores.json").read_text("utf-8"))
    # Eight short epochs of a tiny corpus: more than nothing is all there is to ask for.
    assert scores["entity_f1"] > 0.3
    predicted, extracted = (records(directory / f"{n}.jsonl") for n in ("predicted", "extracted"))
    assert without_scores(predicted) == without_scores(extracted)
    # The batches are others, and so may be the last digit of a score.
    pairs = zip(scores_of(predicted), scores_of(extracted), strict=True)
    assert all(abs(one - other) < 1e-5 for one, other in pairs)
    entities = [entity for record in predicted for entity in record["entities"]]
    assert len(entities) > 20
    assert all(
        0 <= entity["score"] <= 1 and 1 <= entity["end"] - entity["start"] <= 5
        for entity in entities
    )
    for record in predicted:
        places = [(entity["start"], -entity["end"]) for entity in record["entities"]]
        assert places == sorted(places)


def test_the_archive_with_the_threshold_has_the_exchanged_parts(directory):
    archive = load_archive(directory / "tuned.tar.gz")
    before = load_archive(directory / "runs/vary/model.tar.gz")
    # Where no gain is shown, the threshold stays.
    assert 0.05 <= archive.model.relation_threshold <= 0.95
    assert not any("crf" in name for name in archive.model.state_dict())
    for name, weights in before.model.state_dict().items():
        assert weights.equal(archive.model.state_dict()[name])


def test_a_spacy_pipeline_finds_the_same(directory):
    nlp = spacy.blank("en")
    config = {"archive": str(directory / "tuned.tar.gz"), "split_sentences": True}
    nlp.add_pipe("joint_ner_re", config=config)
    for record in records(directory / "predicted.jsonl"):
        doc = nlp(record["text"])
        for name in ("entities", "relations"):
            found = doc._.joint_entities if name == "entities" else doc._.relations
            keys = ["type", "char_start", "char_end"] if name == "entities" else ["type", "head"]
            assert [[one[key] for key in keys] for one in found] == [
                [one[key] for key in keys] for one in record[name]
            ]


# The parts by hand


def test_biaffine_scores_are_those_of_the_formula(my_parts):
    torch.manual_seed(0)
    scorer = my_parts.BiaffineScorer(5, 4, 2, hidden_size=3, label_size=2).eval()
    assert RelationScorer.by_name("biaffine") is my_parts.BiaffineScorer
    states, labels = torch.randn(1, 6, 5), torch.tensor([[3, 0, 1]])
    starts, ends = torch.tensor([[0, 2, 5]]), torch.tensor([[2, 3, 6]])
    spans = EntitySpans(starts, ends, torch.zeros_like(starts), torch.ones_like(starts) > 0)
    logits = scorer(states, labels, spans)[0]
    entities = [
        torch.cat([states[0, start], states[0, end - 1], scorer.label.weight[label]])
        for start, end, label in zip(*(t[0].tolist() for t in (starts, ends, labels)))
    ]
    for i, head in enumerate(entities):
        for j, tail in enumerate(entities):
            left = torch.cat([scorer.head(head).clamp(min=0), torch.ones(1)])
            right = torch.cat([scorer.tail(tail).clamp(min=0), torch.ones(1)])
            for k in range(2):
                expected = left @ scorer.weight[k] @ right
                torch.testing.assert_close(logits[i, j, k], expected)
    blocks_of_heads = [block for _, block in scorer.by_head(states, labels, spans, 1)]
    assert len(blocks_of_heads) == 3
    torch.testing.assert_close(torch.cat(blocks_of_heads, dim=1)[0], logits)


@pytest.fixture
def finder(my_parts):
    torch.manual_seed(1)
    return my_parts.SpanClassifier(4, ["X", "Y"], max_width=3, hidden_size=5, width_size=2).eval()


def gold_of(*entities):
    starts, ends, types = (torch.tensor([column]) for column in zip(*entities))
    return EntitySpans(starts, ends, types, torch.ones_like(starts) > 0)


def test_the_span_loss_is_the_cross_entropy_of_all_spans(finder):
    mask = torch.tensor([[True] * 4 + [False]])
    scores = finder.score(torch.randn(1, 5, 4), mask)
    gold = {(0, 2): 0, (3, 4): 1}
    found = finder.loss(scores, mask, gold_of((0, 2, 0), (3, 4, 1)))
    spans = [(start, end) for start in range(4) for end in range(start + 1, min(4, start + 3) + 1)]
    assert len(spans) == 4 + 3 + 2
    expected = -sum(scores[0, s, e - s - 1, 1 + gold.get((s, e), -1)] for s, e in spans)
    torch.testing.assert_close(found, expected)


def test_found_spans_are_those_whose_best_class_is_a_type(finder):
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3, [False] * 5])
    with torch.no_grad():
        finder.output.bias[0] = -1.0
        scores = finder.score(torch.randn(3, 5, 4), mask)
    spans = finder.find(scores, mask)
    probabilities = finder.probabilities(scores, mask, spans)
    for row, length in enumerate((5, 2, 0)):
        expected = {}
        for start in range(length):
            for end in range(start + 1, min(length, start + 3) + 1):
                classes = scores[row, start, end - start - 1].tolist()
                best = max(range(3), key=lambda number: classes[number])
                if best:
                    expected[start, end, best - 1] = classes[best]
        real = spans.mask[row]
        columns = (spans.starts, spans.ends, spans.types)
        found = list(zip(*(column[row, real].tolist() for column in columns)))
        assert sorted(found) == sorted(expected) and len(found) == int(real.sum())
        values = [torch.tensor(expected[entity]).exp().item() for entity in found]
        assert probabilities[row, real].tolist() == pytest.approx(values)
    assert spans.mask.sum() > 3


def test_what_the_span_finder_cannot_find_is_masked(finder):
    # Too wide; and the same span as another entity, which has another type.
    gold = gold_of((0, 4, 0), (0, 2, 0), (0, 2, 1), (1, 2, 1))
    assert finder.findable(gold).mask.tolist() == [[False, True, False, True]]


def test_a_wrong_option_of_a_part_is_named(my_parts, make):
    finder = {"type": "spans", "max_widht": 3}
    with pytest.raises(
        ConfigurationError, match="entity_finder.max_widht.*did you mean 'max_width'"
    ):
        make(CORPUS, {"model.entity_finder": finder})
    assert EntityFinder.by_name("spans") is my_parts.SpanClassifier
    with pytest.raises(ConfigurationError, match="entity_finder.tag_levels is no option"):
        make(CORPUS, {"model.entity_finder": {"type": "spans"}, "model.tag_levels": 2})
