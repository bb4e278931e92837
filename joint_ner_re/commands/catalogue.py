"""All commands of the package."""

from joint_ner_re.commands.ablate import Ablate
from joint_ner_re.commands.base import Command
from joint_ner_re.commands.check import Check
from joint_ner_re.commands.convert import Convert
from joint_ner_re.commands.cross_validate import CrossValidate
from joint_ner_re.commands.draw import Draw
from joint_ner_re.commands.export import Export
from joint_ner_re.commands.extract import Extract
from joint_ner_re.commands.extract_on_ray import ExtractOnRay
from joint_ner_re.commands.init import Init
from joint_ner_re.commands.natural_mix import NaturalMix
from joint_ner_re.commands.plot import Plot
from joint_ner_re.commands.repeat import Repeat
from joint_ner_re.commands.score import Score
from joint_ner_re.commands.search import Search
from joint_ner_re.commands.serve import Serve
from joint_ner_re.commands.tune_threshold import TuneThreshold

COMMANDS: tuple[Command, ...] = (
    Ablate(),
    Check(),
    Convert(),
    CrossValidate(),
    Draw(),
    Export(),
    Extract(),
    ExtractOnRay(),
    Init(),
    NaturalMix(),
    Plot(),
    Repeat(),
    Score(),
    Search(),
    Serve(),
    TuneThreshold(),
)
