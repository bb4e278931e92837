"""All that this package changes in AllenNLP, each with its reason.

The functions and classes that take the place of AllenNLP's stand in their rooms. A room calls
`make(__name__)` as its last line, so that whoever imports it has its changes;
`joint_ner_re.plugin` imports all of them.
"""

from importlib import import_module
from typing import Any, NamedTuple


class Change(NamedTuple):
    """
    # Parameters

    place : `str`
        What is replaced, as "module:attribute" or "module:Class.attribute".
    replacement : `str`
        What takes its place, as "module:name".
    reason : `str`
    """

    place: str
    replacement: str
    reason: str


class Registration(NamedTuple):
    """
    # Parameters

    base : `str`
        The registrable class, as "module:Class".
    name : `str`
        AllenNLP's registered name that gets another class.
    replacement : `str`
        That class, as "module:Class".
    constructor : `str`, optional
        The class method that makes it, if that is not the class itself.
    reason : `str`
    """

    base: str
    name: str
    replacement: str
    constructor: str | None
    reason: str


_ARCHIVAL = "allennlp.models.archival"
_LOADING = "joint_ner_re.archives.loading"
_SCHEDULERS = "allennlp.training.learning_rate_schedulers.learning_rate_scheduler"
_FILES = "joint_ner_re.experiments.crash_safe_files"

CHANGES = [
    # An archive that somebody else made runs nothing. AllenNLP's `load_archive` itself cannot be
    # replaced: its commands have imported it by name. These are what it calls.
    Change(
        f"{_ARCHIVAL}:extracted_archive",
        f"{_LOADING}:extracted_archive",
        "AllenNLP extracts members that lead out of the directory, links, and any amount of bytes",
    ),
    Change(
        f"{_ARCHIVAL}:Params",
        f"{_LOADING}:ArchiveParams",
        "AllenNLP evaluates config.json as a jsonnet program, which reads files and need not end",
    ),
    Change(
        f"{_ARCHIVAL}:_load_dataset_readers",
        f"{_LOADING}:load_dataset_readers",
        "the first use of config.json, which can name any class that Python can import",
    ),
    Change(
        f"{_ARCHIVAL}:_load_model",
        f"{_LOADING}:load_model",
        "weights are read as tensors only, and an error names the archive and the member",
    ),
    Change(
        "allennlp.common.registrable:Registrable.resolve_class_name",
        "joint_ner_re.archives.trust:resolve_class_name",
        "while an archive is loaded, a class that takes its options apart itself is guarded, too",
    ),
    # A training that is killed leaves each of its files complete or as it was.
    Change(
        "allennlp.commands.train:archive_model",
        f"{_FILES}:archive_model",
        "AllenNLP writes model.tar.gz in place, with times and owners that differ from run to run",
    ),
    Change(
        "allennlp.training.util:create_serialization_dir",
        f"{_FILES}:create_serialization_dir",
        "--recover removes what a killed process left, and starts anew where nothing else is there",
    ),
    # Each of these modules has imported the function.
    *(
        Change(
            f"{module}:dump_metrics",
            f"{_FILES}:dump_metrics",
            "AllenNLP writes the metrics in place, and shows 80 lines of them",
        )
        for module in ("allennlp.common.util", "allennlp.training.util")
    ),
    Change(
        "allennlp.evaluation.evaluator:dump_metrics",
        f"{_FILES}:write_metrics",
        "AllenNLP writes the metrics in place",
    ),
    Change(
        "allennlp.evaluation.evaluator:SimpleEvaluator.__call__",
        f"{_FILES}:evaluate",
        "AllenNLP writes predictions in place, and shows scores in a progress bar only",
    ),
    Change(
        "allennlp.common.params:Params.to_file",
        f"{_FILES}:write_params",
        "AllenNLP writes config.json in place",
    ),
    Change(
        "allennlp.common.meta:Meta.to_file",
        f"{_FILES}:write_meta",
        "AllenNLP writes meta.json in place",
    ),
    Change(
        "allennlp.data.vocabulary:Vocabulary.save_to_files",
        f"{_FILES}:save_vocabulary",
        "AllenNLP writes the vocabulary in place, and its list of namespaces in the order of a set",
    ),
    Change(
        "allennlp.training.gradient_descent_trainer:GradientDescentTrainer._save_model_state",
        f"{_FILES}:save_model_state",
        "AllenNLP writes best.th in place",
    ),
    # Configurations.
    Change(
        "allennlp.common.from_params:remove_optional",
        "joint_ner_re.configuration:remove_optional",
        "AllenNLP does not know annotations such as `int | None`",
    ),
    *(
        Change(
            f"allennlp.common.params:{name}",
            f"joint_ner_re.commands.allennlp_endings:{name}",
            "jsonnet raises a bare RuntimeError where a configuration cannot be understood",
        )
        for name in ("evaluate_file", "evaluate_snippet")
    ),
    # What is shown.
    Change(
        "allennlp.common.logging:prepare_global_logging",
        "joint_ner_re.console:prepare_global_logging",
        "AllenNLP shows 2,000 lines of a training of 20 epochs, most of them parameters",
    ),
    Change(
        "allennlp.common.tqdm:Tqdm.tqdm",
        "joint_ner_re.console:bar",
        "AllenNLP draws bars into files and pipes, and warnings are glued to them",
    ),
    # Commands. What AllenNLP's commands call gets another ending, too, by its code: see
    # `joint_ner_re.commands.allennlp_endings`.
    Change(
        "allennlp.commands.predict:_PredictManager",
        "joint_ner_re.commands.predict:PredictManager",
        "a line that cannot be processed gives an error record; with AllenNLP's it ends the run. "
        "A command of ours with the same name would not be found with --include-package, which is "
        "read after the commands",
    ),
]
REGISTRATIONS = [
    Registration(
        "allennlp.commands.train:TrainModel",
        "default",
        "joint_ner_re.configuration:CheckedTrainModel",
        "from_partial_objects",
        "the whole configuration of a model of ours is checked before the corpus is read",
    ),
    Registration(
        f"{_SCHEDULERS}:LearningRateScheduler",
        "reduce_on_plateau",
        "joint_ner_re.training.learning_rate_schedulers:ReduceOnPlateau",
        None,
        "AllenNLP passes an option on that torch 2.7 took away",
    ),
]


def make(room: str) -> None:
    """Make the changes whose replacement stands in this module. Twice is as once.

    # Parameters

    room : `str`
        The module's `__name__`.
    """
    for change in CHANGES:
        if change.replacement.startswith(f"{room}:"):
            module, _, path = change.place.partition(":")
            owner, _, name = path.rpartition(".")
            setattr(_named(f"{module}:{owner}"), name, _named(change.replacement))
    for entry in REGISTRATIONS:
        if entry.replacement.startswith(f"{room}:"):
            register = _named(entry.base).register(
                entry.name, exist_ok=True, constructor=entry.constructor
            )
            register(_named(entry.replacement))


def _named(place: str) -> Any:
    """What "module:name" or "module:Class.name" stands for; without a name, the module."""
    module, _, path = place.partition(":")
    found: Any = import_module(module)
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
    return found
