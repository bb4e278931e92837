// Refines the configuration of a finished training: another one goes on from its weights, such as
// with more sentences.
{
  local config = self,

  first:: error "Must override first: the first training's directory",
  epochs:: 4,
  learning_rate:: 5e-4,

  // The numbers of types, words and characters are those of the weights.
  vocabulary: { type: 'from_files', directory: config.first + '/vocabulary' },
  trainer+: { callbacks+: [{ type: 'begin_with', directory: config.first }] },
}
