"""What the tests of several rooms share. Heavy imports wait until a fixture needs them."""

import atexit
import gc
import itertools
import json
import os
import re
import shutil
import struct
import sys
from copy import deepcopy
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock
from hypothesis import settings
from in_process import run_allennlp
from jsonnet_once import remember
from programs import forking, share_forking

# PyTorch's threads wait for each other in busy loops, which on a busy machine multiplies the time
# of tests with several threads. OpenMP reads this once, when PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# With more, PyTorch's compiler, which nothing here uses, starts a process when it is imported.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

if "PYTEST_XDIST_WORKER" in os.environ:
    # At its end, a worker would take apart all that it has imported, for two seconds.
    atexit.register(os._exit, 0)

# How long an example takes says how busy the machine is.
settings.register_profile("joint_ner_re", deadline=None)
settings.load_profile("joint_ner_re")


def pytest_configure(config):
    """If all tests run, each worker starts programs: they share the process that these are forked
    from. If only some run, a worker begins one of its own when a test needs it."""
    in_charge = "PYTEST_XDIST_WORKER" not in os.environ and config.getoption("numprocesses", None)
    if in_charge and config.args_source is config.ArgsSource.TESTPATHS:
        share_forking()


def pytest_make_parametrize_id(val, argname):
    """Workers must agree on the names of tests. An archive has in it when it was made."""
    if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()):
        return argname
    return None


def pytest_collection_finish():
    """The libraries and thousands of tests stay until the end. The garbage collector, which would
    visit them again and again, took a tenth of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    _remember_signatures()


def _remember_signatures():
    """AllenNLP looks at the parameters of each constructor again for each model."""
    from_params = sys.modules.get("allennlp.common.from_params")
    if from_params:
        for name in ("infer_method_params", "takes_kwargs"):
            setattr(from_params, name, cache(getattr(from_params, name)))


# No power fails while the tests run, and waiting for the disk took them 20 seconds.
os.fsync = lambda descriptor: None
remember()
ROOT = Path(__file__).parents[1]
_NUMBERS = itertools.count()
FIXTURES = ROOT / "fixtures"
WORDS = [
    "the",
    "The",
    "of",
    "in",
    "and",
    "for",
    "was",
    "by",
    "Lisgard",
    "Kesh",
    "lithium",
    "naproxen",
    "neverseen",
]


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory):
    """Gives a directory that one worker of pytest-xdist fills and all of them read.

    The first worker that asks for a name runs `fill` with the directory; the others wait for it.
    """
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent

    def shared(name, fill):
        directory = base / f"shared-{name}"
        with FileLock(f"{directory}.lock"):
            if not (directory / "filled").exists():
                shutil.rmtree(directory, ignore_errors=True)
                directory.mkdir()
                fill(directory)
                (directory / "filled").touch()
        return directory

    return shared


@pytest.fixture
def tmp_path(request, tmp_path_factory):
    """Pytest's own looks through the directories of all tests before for a number that is free."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    directory = tmp_path_factory.getbasetemp() / f"{name}-{next(_NUMBERS)}"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def fixtures():
    return FIXTURES


@pytest.fixture
def in_root(monkeypatch):
    """Configurations with relative paths are meant for the repository's root."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def allennlp():
    """Runs `allennlp` with these arguments, in this process."""
    return run_allennlp


@pytest.fixture(scope="session")
def few_threads():
    """The tensors here are tiny: more threads only cost time, most of all on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def few_imports(few_threads):
    """The processes of a distributed training are forked from one that has imported AllenNLP.

    As those that AllenNLP starts, they know nothing of this one, and import the package themselves.
    """
    import torch

    forking()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch.multiprocessing,
            "spawn",
            partial(torch.multiprocessing.start_processes, start_method="forkserver"),
        )
        yield


_put_off = []


@pytest.fixture
def pictures(monkeypatch):
    """Draws only what a test looks at, with `is_png`: a picture takes a third of a second."""
    from matplotlib.figure import Figure

    def put_off(figure, file, draw=Figure.savefig, **options):
        _put_off.append(partial(draw, figure, **options))
        file.write(b"picture %d" % (len(_put_off) - 1))

    monkeypatch.setattr(Figure, "savefig", put_off)


@pytest.fixture
def is_png():
    """Whether a file is a PNG picture of a sensible size."""

    def check(path):
        data = path.read_bytes()
        if data.startswith(b"picture "):
            drawn = BytesIO()
            _put_off[int(data.split()[1])](drawn)
            data = drawn.getvalue()
        width, height = struct.unpack(">II", data[16:24])
        return data[:8] == b"\x89PNG\r\n\x1a\n" and 300 < width < 5000 and 200 < height < 5000

    return check


@pytest.fixture
def set_threads():
    """Sets how many threads PyTorch may have, whatever the machine has, for one test."""
    import torch

    threads = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_run(shared_directory, few_threads):
    """The directory of one training with fixtures/tiny.jsonnet. Tests only read it."""
    from allennlp.commands.train import train_model_from_file

    import joint_ner_re.plugin  # noqa: F401

    def train(directory):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            train_model_from_file(FIXTURES / "tiny.jsonnet", directory / "run")

    return shared_directory("tiny", train) / "run"


@pytest.fixture(scope="session")
def tiny_archive(tiny_run):
    return tiny_run / "model.tar.gz"


@pytest.fixture(scope="session")
def tiny_exported(tiny_archive, shared_directory):
    """The exported directory of the tiny model. Tests only read it."""

    from joint_ner_re.exporting import export

    def fill(directory):
        export(tiny_archive, directory / "model")

    return shared_directory("tiny-exported", fill) / "model"


@pytest.fixture(scope="module")
def one_thread():
    """PyTorch on one thread: for tiny tensors more threads only cost time."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; the tests skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = [path for path in map(shutil.which, names) if path]
    if not found:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found[0], args=["--no-sandbox"])
        yield browser
        browser.close()


class Payload:
    """What writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def target(tmp_path):
    """The file that is there if something has run."""
    return tmp_path / "ran"


@pytest.fixture
def payload(target):
    """Writes `target` when it is unpickled."""
    return Payload(target)


@pytest.fixture
def interrupt(monkeypatch):
    """Presses Ctrl-C, once, when training begins an epoch; returns the list of epochs begun."""
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    train_epoch = GradientDescentTrainer._train_epoch

    def interrupt_at(epoch):
        begun = []

        def interrupted(self, number):
            # A recovered training walks through the epochs that are done, and skips their batches.
            if number >= self._start_after_epochs_completed:
                begun.append(number)
            if begun.count(epoch) == 1 and number == epoch:
                raise KeyboardInterrupt
            return train_epoch(self, number)

        monkeypatch.setattr(GradientDescentTrainer, "_train_epoch", interrupted)
        return begun

    return interrupt_at


@pytest.fixture(scope="session")
def make(tmp_path_factory, few_threads):
    """Makes reader, instances, vocabulary and model of fixtures/tiny.jsonnet for a corpus.

    The corpus is a path or a list of `Sentence`s; `overrides` changes the configuration.
    """
    import torch
    from allennlp.common import Params
    from allennlp.common.params import with_overrides
    from allennlp.data import DatasetReader, Vocabulary
    from allennlp.models import Model

    import joint_ner_re.plugin  # noqa: F401
    from joint_ner_re.corpora import write_corpus

    config = Params.from_file(FIXTURES / "tiny.jsonnet").as_dict()

    def made(corpus, overrides=None, seed=0):
        if not isinstance(corpus, (str, Path)):
            path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
            write_corpus(corpus, path, "jsonl")
            corpus = path
        params = Params(with_overrides(deepcopy(config), overrides or {}))
        reader = DatasetReader.from_params(params["dataset_reader"])
        instances = list(reader.read(str(corpus)))
        vocab = Vocabulary.from_params(params["vocabulary"], instances=instances)
        torch.manual_seed(seed)
        model = Model.from_params(params["model"], vocab=vocab)
        return SimpleNamespace(reader=reader, instances=instances, vocab=vocab, model=model)

    return made


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    """A directory laid out like the one that JOINT_NER_RE_DATA names, made of the fixtures."""
    directory = tmp_path_factory.mktemp("data")
    for path, source in {
        "conll04/raw/conll04.corp": "conll04.corp",
        "conll04/raw/train.ids": "conll04_train.ids",
        "conll04/raw/dev.ids": "conll04_dev.ids",
        "conll04/spert/conll04_train.json": "conll04_spert.json",
        "conll04/spert/conll04_dev.json": "conll04_spert.json",
        "conll04/multihead/train.txt": "conll04_multihead.txt",
        "conll04/multihead/dev.txt": "conll04_multihead.txt",
        "ade/DRUG-AE.rel": "ade.rel",
        "ade/ADE-NEG.txt": "ade_neg.txt",
        "ade/spert/ade_full.json": "ade_spert.json",
        "ade/spert/ade_folds.json": "ade_folds.json",
    }.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FIXTURES / source, target)
    return directory


@pytest.fixture(scope="session")
def glove_file(tmp_path_factory):
    """300-d vectors of a few words, among them one that no fixture holds."""
    path = tmp_path_factory.mktemp("glove") / "glove.txt"
    rows = (
        " ".join([word, *(f"{(number + place) % 7 - 3}.5" for place in range(300))])
        for number, word in enumerate(WORDS)
    )
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def elmo_files(tmp_path_factory):
    """Options and weights of a tiny ELMo, whose vectors have 2 * 4 numbers."""
    import h5py
    import numpy

    size, cell, char_size, filters, layers = 4, 6, 3, [[1, 4], [2, 5]], 2
    directory = tmp_path_factory.mktemp("elmo")
    options = {
        "lstm": {
            "use_skip_connections": True, "projection_dim": size, "cell_clip": 3, "proj_clip": 3,
            "dim": cell, "n_layers": layers,
        },
        "char_cnn": {
            "activation": "relu", "filters": filters, "n_highway": 1,
            "embedding": {"dim": char_size}, "n_characters": 262, "max_characters_per_token": 50,
        },
    }  # fmt: skip
    (directory / "options.json").write_text(json.dumps(options))
    numbers = numpy.random.RandomState(5)
    width = sum(count for _, count in filters)
    shapes = {
        "char_embed": (261, char_size),
        "CNN_high_0/W_transform": (width, width), "CNN_high_0/b_transform": (width,),
        "CNN_high_0/W_carry": (width, width), "CNN_high_0/b_carry": (width,),
        "CNN_proj/W_proj": (width, size), "CNN_proj/b_proj": (size,),
    }  # fmt: skip
    for number, (length, count) in enumerate(filters):
        shapes[f"CNN/W_cnn_{number}"] = (1, length, char_size, count)
        shapes[f"CNN/b_cnn_{number}"] = (count,)
    for direction in range(2):
        for layer in range(layers):
            name = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes[f"{name}/W_0"] = (2 * size, 4 * cell)
            shapes[f"{name}/B"] = (4 * cell,)
            shapes[f"{name}/W_P_0"] = (cell, size)
    with h5py.File(directory / "weights.hdf5", "w") as file:
        for name, shape in shapes.items():
            file[name] = numbers.normal(0, 0.5, shape).astype("float32")
    return directory / "options.json", directory / "weights.hdf5"


@pytest.fixture
def published_files(monkeypatch, data_root, glove_file, elmo_files):
    """The environment variables that the shipped configurations read."""
    from joint_ner_re.pretrained import MINILM

    monkeypatch.setenv("JOINT_NER_RE_DATA", str(data_root))
    monkeypatch.setenv("JOINT_NER_RE_GLOVE", str(glove_file))
    monkeypatch.setenv("JOINT_NER_RE_ELMO_OPTIONS", str(elmo_files[0]))
    monkeypatch.setenv("JOINT_NER_RE_ELMO_WEIGHTS", str(elmo_files[1]))
    monkeypatch.setenv("JOINT_NER_RE_ENCODER", MINILM)


@pytest.fixture(scope="session")
def bert_directory(tmp_path_factory):
    """An encoder of BERT's kind: 2 layers, 8 numbers a piece, up to 16 pieces at once."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    directory = tmp_path_factory.mktemp("bert")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, "lithium", "caused", "tremor", "##s", ".", "a", "b", "##b", "the"]
    (directory / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    BertTokenizerFast(str(directory / "vocab.txt")).save_pretrained(str(directory))
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=12, max_position_embeddings=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(str(directory))
    return directory


@pytest.fixture(scope="session")
def roberta_directory(tmp_path_factory):
    """An encoder of RoBERTa's kind, whose pieces are bytes and whose positions begin at 2."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast

    directory = tmp_path_factory.mktemp("roberta")
    tokenizer = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(["ab ab ab ab"] * 9, 270, 2, False, special)
    tokenizer.save_model(str(directory))
    fast = RobertaTokenizerFast(str(directory / "vocab.json"), str(directory / "merges.txt"))
    fast.save_pretrained(str(directory))
    config = RobertaConfig(
        vocab_size=len(fast), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=12, max_position_embeddings=18, pad_token_id=1,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(str(directory))
    return directory


@pytest.fixture(scope="session")
def mpnet_directory(tmp_path_factory):
    """An encoder of MPNet's kind: 2 layers, 8 numbers a piece, up to 64 pieces at once."""
    import torch
    from transformers import MPNetConfig, MPNetModel, MPNetTokenizerFast

    directory = tmp_path_factory.mktemp("mpnet")
    special = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
    pieces = [*special, *WORDS[2:], *map(chr, range(33, 127)), *(f"##{c}" for c in "abcdeginorst")]
    pieces = list(dict.fromkeys(piece.lower() for piece in pieces[5:]))
    (directory / "vocab.txt").write_text("\n".join([*special, *pieces]), encoding="utf-8")
    MPNetTokenizerFast(str(directory / "vocab.txt")).save_pretrained(str(directory))
    torch.manual_seed(5)
    config = MPNetConfig(
        vocab_size=len(special) + len(pieces), hidden_size=8, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=12, max_position_embeddings=66,
    )  # fmt: skip
    MPNetModel(config).save_pretrained(str(directory))
    return directory
