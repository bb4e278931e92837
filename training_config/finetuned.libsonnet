// Refines minilm.libsonnet: training changes the encoder, too, at a rate of its own.
{
  local config = self,

  encoder_learning_rate:: 3e-5,

  token_embedders+:: { contextual+: { train_parameters: true } },

  trainer+: {
    optimizer+: {
      // Neither biases nor norms decay; what no pattern finds takes the optimizer's own values.
      local encoder = 'token_embedder_contextual\\.encoder\\.',
      local plain = '(bias|LayerNorm\\.weight)',
      parameter_groups+: [
        [[encoder + '.*' + plain + '$'], { lr: config.encoder_learning_rate, weight_decay: 0.0 }],
        [[encoder + '(?!.*' + plain + '$)'], { lr: config.encoder_learning_rate }],
        [['^(?!.*' + encoder + ').*bias'], { weight_decay: 0.0 }],
      ],
    },
    // On a GPU: -o '{"trainer.use_amp": true}'. With little memory: a smaller batch size, and
    // -o '{"trainer.num_gradient_accumulation_steps": 4}'.
  },
}
