"""The commands of `joint-ner-re` and of `allennlp`.

`catalogue` lists them, `base` says what a command is, `endings` how it ends, and `subcommands`
offers them to AllenNLP, whose own commands `allennlp_endings` changes.
"""
