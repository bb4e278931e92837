"""Generates the configuration reference and the list of commands from the code."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from allennlp.commands.subcommand import Subcommand
from allennlp.commands.train import TrainModel
from allennlp.common import FromParams, Lazy, Params
from allennlp.common.registrable import Registrable
from allennlp.data import DataLoader, DatasetReader, TokenIndexer, Vocabulary
from allennlp.models import Model
from allennlp.modules import Seq2SeqEncoder
from allennlp.modules.token_embedders import TokenEmbedder
from allennlp.predictors import Predictor
from allennlp.training import Checkpointer
from allennlp.training.callbacks import TrainerCallback
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.metrics import Metric
from allennlp.training.optimizers import Optimizer
from docstrings import Entry, one_line, parse, with_fences

import joint_ner_re.plugin
from joint_ner_re import pretrained
from joint_ner_re.modules import EntityFinder, RelationScorer

ROOT = Path(__file__).parents[2]
# AllenNLP or the model passes these arguments, so they are not options of a configuration.
GIVEN = re.compile(r"\binferred\b|\bGiven by AllenNLP\b", re.IGNORECASE)
AS_JSON = {"None": "null", "True": "true", "False": "false"}


class Part(NamedTuple):
    """A class whose objects a configuration describes."""

    title: str
    cls: type
    place: str
    """The key in a configuration whose value describes it."""


class Option(NamedTuple):
    """A parameter of a constructor."""

    name: str
    type: str
    default: str | None
    """`None` if the option is required."""
    text: str
    given: bool
    """Whether the code passes it, so that a configuration must not have it."""


PLACES = {
    Model: "`model`",
    DatasetReader: "`dataset_reader`, `validation_dataset_reader`",
    DataLoader: "`data_loader`, `validation_data_loader`",
    TokenIndexer: "a value of the reader's `token_indexers`",
    TokenEmbedder: "a value of `model.text_field_embedder.token_embedders`",
    Vocabulary: "`vocabulary`",
    Seq2SeqEncoder: "`model.encoder.shared`, `.ner` or `.relation`",
    EntityFinder: "`model.entity_finder`",
    RelationScorer: "`model.relation_scorer`",
    LearningRateScheduler: "`trainer.learning_rate_scheduler`",
    Optimizer: "`trainer.optimizer`",
    Checkpointer: "`trainer.checkpointer`",
    TrainerCallback: "an element of `trainer.callbacks`",
    Predictor: "`allennlp predict --predictor`, where it is the default",
}
KINDS = {
    Model: "Model",
    DatasetReader: "Dataset readers",
    DataLoader: "Data loader",
    TokenIndexer: "Token indexers",
    TokenEmbedder: "Token embedders",
    Vocabulary: "Vocabulary",
    Seq2SeqEncoder: "Layers",
    EntityFinder: "Entity finder",
    RelationScorer: "Relation scorer",
    LearningRateScheduler: "Learning rate",
    Optimizer: "Optimizer",
    Checkpointer: "Checkpointer",
    TrainerCallback: "Callbacks",
    Predictor: "Predictor",
}
# Kinds that no configuration describes, and subcommands, which have their own page.
ELSEWHERE = (Subcommand, Metric, TrainModel)


def registered() -> dict[type, dict[str, type]]:
    """The package's classes in AllenNLP's registry, by their kind and name."""
    found = {
        kind: {
            name: cls
            for cls, name in sorted(_present_names(names).items(), key=lambda pair: pair[1])
            if cls.__module__.split(".")[0] == joint_ner_re.__name__
        }
        for kind, names in Registrable._registry.items()
        if kind not in ELSEWHERE
    }
    return {kind: names for kind, names in found.items() if names}


def _present_names(names: dict[str, tuple[type, Any]]) -> dict[type, str]:
    """Each class's name: the last one registered, since former names come first."""
    return {cls: name for name, (cls, _) in names.items()}


def parts() -> list[tuple[str, list[Part]]]:
    """The sections of the page: a title and the classes under it."""
    by_kind = registered()
    unknown = set(by_kind) - set(KINDS)
    if unknown:
        raise LookupError(f"a new kind of registered class: {unknown}; say where it is used")
    sections = []
    for kind, title in KINDS.items():
        named = [Part(f"`{name}`", cls, PLACES[kind]) for name, cls in by_kind[kind].items()]
        sections.append((title, named))
        if kind in (Model, EntityFinder, RelationScorer):
            place = PLACES[kind].strip("`")
            inner = [part for one in named for part in inner_parts(one.cls, place)]
            if kind is Model:
                sections.append(("Parts of the model", inner))
            else:
                named += inner
    return sections


def inner_parts(cls: type, place: str) -> Iterator[Part]:
    """The package's unregistered classes among the options of a class, and theirs."""
    for name, parameter in constructor(cls).items():
        inner = _bare(parameter.annotation)
        if (
            inspect.isclass(inner)
            and issubclass(inner, FromParams)
            and not issubclass(inner, Registrable)
            and inner.__module__.startswith("joint_ner_re")
        ):
            yield Part(inner.__name__, inner, f"`{place}.{name}`")
            yield from inner_parts(inner, f"{place}.{name}")


def constructor(cls: type) -> dict[str, inspect.Parameter]:
    """The constructor's parameters; none if the constructor is AllenNLP's own."""
    for names in Registrable._registry.values():
        for registered_class, name in names.values():
            if registered_class is cls and name is not None:
                return dict(inspect.signature(getattr(cls, name)).parameters)
    if not cls.__init__.__module__.startswith("joint_ner_re"):  # type: ignore[misc]
        return {}
    return dict(list(inspect.signature(cls.__init__).parameters.items())[1:])  # type: ignore[misc]


def options(cls: type) -> list[Option]:
    """The constructor's parameters with their documentation."""
    documented = parse(cls)
    found = []
    for name, parameter in constructor(cls).items():
        shown = f"**{name}" if parameter.kind is parameter.VAR_KEYWORD else name
        entry = documented.parameter(shown) or Entry([shown], "", False, None, "")
        given = bool(GIVEN.search(entry.text))
        default = _default(parameter, entry)
        found.append(Option(shown, type_name(parameter), default, entry.text, given))
    return found


def _default(parameter: inspect.Parameter, entry: Entry) -> str | None:
    if parameter.kind is parameter.VAR_KEYWORD:
        return ""
    if parameter.default is parameter.empty:
        return None
    return AS_JSON.get(entry.default or "", entry.default or "")


def _bare(annotation: Any) -> Any:
    """`X` of `Optional[X]` and `Lazy[X]`."""
    arguments = typing.get_args(annotation)
    unions = (typing.Union, types.UnionType)
    if typing.get_origin(annotation) in unions and type(None) in arguments:
        rest = tuple(one for one in arguments if one is not type(None))
        return _bare(typing.Union[rest])  # noqa: UP007 (the members are known only now)
    if typing.get_origin(annotation) is Lazy:
        return _bare(arguments[0])
    return annotation


def type_name(parameter: inspect.Parameter) -> str:
    """A parameter's type, without modules."""
    if parameter.annotation is parameter.empty:
        return ""
    name = inspect.formatannotation(_bare(parameter.annotation))
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", name)


def configuration_page() -> str:
    """The page's Markdown."""
    sections = parts()
    links = {part.cls.__name__: f"#{anchor(part)}" for _, members in sections for part in members}
    lines = [(ROOT / "docs/scripts/configuration.head.md").read_text("utf-8").rstrip()]
    for title, members in sections:
        lines += ["", f"## {title}"]
        for part in members:
            lines += ["", *_part(part, links)]
    lines += ["", "## Pretrained encoders", "", with_fences(parse(pretrained).text), ""]
    lines += ["## A whole configuration", "", *_example()]
    text = "\n".join(lines) + "\n"
    return text.replace("`joint_ner_re.pretrained`", "[Pretrained encoders](#pretrained-encoders)")


def anchor(part: Part) -> str:
    """The anchor of the part on the page."""
    return part.cls.__name__.lower()


def _part(part: Part, links: dict[str, str]) -> list[str]:
    described = parse(part.cls)
    lines = [f"### {part.title} {{ #{anchor(part)} }}", ""]
    lines += [f"Place: {part.place}. Class `{part.cls.__module__}.{part.cls.__name__}`.", ""]
    lines += [_linked(with_fences(described.text), links, part), ""]
    found = options(part.cls)
    shown = [option for option in found if not option.given]
    if shown:
        lines += ["| option | type | default | |", "| --- | --- | --- | --- |"]
        lines += [_linked(_row(option), links, part) for option in shown]
    else:
        lines += ["It has no options."]
    given = [f"`{option.name}`" for option in found if option.given]
    if given:
        they = "they" if len(given) > 1 else "it"
        names = " and ".join([", ".join(given[:-1]), given[-1]] if given[1:] else given)
        lines += ["", f"The code passes {names}; {they} must not be given."]
    return lines


def _linked(text: str, links: dict[str, str], part: Part) -> str:
    """The text with links from the names of other classes to their sections."""
    others = {name: link for name, link in links.items() if name != part.cls.__name__}
    known = "|".join(map(re.escape, others))
    return re.sub(rf"`({known})`", lambda found: f"[{found[0]}]({others[found[1]]})", text)


def _row(option: Option) -> str:
    type_cell = f"`{option.type}`" if option.type else ""
    default = "**required**" if option.default is None else ""
    if option.default:
        default = f"`{option.default}`"
    return f"| `{option.name}` | {type_cell} | {default} | {one_line(option.text)} |"


def _example() -> list[str]:
    params = Params.from_file(ROOT / "training_config/sample.jsonnet").as_dict()
    return [
        "This is `training_config/sample.jsonnet` with everything that it imports:",
        "",
        "```json",
        json.dumps(params, indent=2, ensure_ascii=False),
        "```",
    ]


# The commands


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parsers of the package's subcommands of `allennlp`, by name."""
    found = {}
    for name, (cls, _) in sorted(Registrable._registry[Subcommand].items()):
        if cls.__module__.split(".")[0] == joint_ner_re.__name__:
            subparsers = argparse.ArgumentParser(prog="allennlp").add_subparsers()
            found[name] = cls().add_subparser(subparsers)
    return found


def commands_page() -> str:
    """The page's Markdown."""
    lines = [(ROOT / "docs/scripts/commands.head.md").read_text("utf-8").rstrip()]
    for name, parser in commands().items():
        lines += ["", f"## {name}", "", *_parser(parser)]
    return "\n".join(lines) + "\n"


def _parser(parser: argparse.ArgumentParser) -> list[str]:
    lines = [parser.description or "", ""]
    actions = [one for one in parser._actions if not isinstance(one, argparse._HelpAction)]
    inner = [one for one in actions if isinstance(one, argparse._SubParsersAction)]
    if not inner:
        for action in actions:
            if action.choices is not None and action.metavar is None:
                # The table lists all choices.
                action.metavar = action.dest.upper()
        formatter = argparse.HelpFormatter(prog=parser.prog, width=88)
        formatter.add_usage(None, actions, parser._mutually_exclusive_groups, prefix="")
        lines += ["```text", formatter.format_help().strip(), "```", ""]
        lines += ["| argument | |", "| --- | --- |", *(_argument(one) for one in actions)]
    for choices in inner:
        for name, one in choices.choices.items():
            lines += ["", f"### {parser.prog.split(' ', 1)[1]} {name}", "", *_parser(one)]
    return lines


def _argument(action: argparse.Action) -> str:
    metavar = action.metavar or action.dest.upper()
    names = list(action.option_strings) or [str(action.metavar or action.dest)]
    if action.option_strings and action.nargs != 0:
        names = [f"{name} {metavar}" for name in names]
    notes = [str(action.help or "")]
    if action.choices is not None:
        notes[0] = f"{notes[0]}: {', '.join(map(str, action.choices))}".lstrip(": ")
    if action.required and action.option_strings:
        notes[0] = f"{notes[0]} (required)"
    plain = action.default not in (None, False, argparse.SUPPRESS, "")
    if plain and "default" not in notes[0] and action.nargs != 0:
        notes.append(f"(default: {action.default})")
    text = one_line(" ".join(note for note in notes if note))
    return f"| {'<br>'.join(f'`{name}`' for name in names)} | {_code(text)} |"


def _code(text: str) -> str:
    """The text with file names and options as code, so that Markdown leaves them alone."""
    return re.sub(
        r"(?<![\w`=-])(--?[a-z][\w-]*|\w+\.(?:tar\.gz|jsonl?|csv|txt|gz))\b", r"`\1`", text
    )
