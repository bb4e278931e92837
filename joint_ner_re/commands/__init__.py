"""The commands of `joint-ner-re` and of `allennlp`.

`catalogue` lists them, `base` has their base class, `endings` handles errors and interruptions, and
`subcommands` registers them with AllenNLP. `allennlp_endings` makes AllenNLP's own commands end the
same way.
"""
