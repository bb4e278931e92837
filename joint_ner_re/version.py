"""The version, readable without importing AllenNLP."""

VERSION = "0.1.0"
