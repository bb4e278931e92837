// Refines minilm.libsonnet with a second frozen encoder, such as the one that minilm_ade_neg.jsonnet
// trains. The environment variable JOINT_NER_RE_ENCODER names its directory.
{
  local config = self,

  adapted:: std.extVar('JOINT_NER_RE_ENCODER'),
  // All layers, because its last layers have been trained on words again.
  adapted_layers:: [1, 2, 3, 4, 5, 6],

  token_indexers+:: {
    adapted: { type: 'word_pieces', model_name: config.adapted },
  },
  token_embedders+:: {
    adapted: { type: 'transformer', model_name: config.adapted, layers: config.adapted_layers },
  },
}
