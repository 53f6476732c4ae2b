"""What messages call the questions to a worker that are no calls of a task: a student knows none.

In a sentence {0}, {1} … are the arguments, {all} all of them, {rest} those after the first, {tail}
those after the second. A question with None only looks on: the call before it is told.
"""

SPOKEN: dict[str, str | None] = {
    # of a model or layer
    "get_weights": None,
    "set_weights": None,
    "describe": None,
    "train": "training of {0}",
    # of several labs' builders
    "do": "{0}.{1}({tail})",
    "keras_used": "{1}",
    "num_calls": None,
    "in_half_precision": "{0} where layers compute in float16",
    "descend": "a training step of {0}",
    "loss_step": "a training step with your loss, targets {0}, logits {1}",
    "loss_gradient": "the gradient of your loss, targets {0}, logits {1}",
    "sample_with_generator": "sample_next({0}, seed=np.random.default_rng({1})), called {2} times",
    "scripted_stepper": "stepper",
    # of Lab 1's
    "vocabulary_of_generator": "build_vocabulary(name for name in {0})",
    "conditioned": "a keras.Model that calls condition_on_country",
    "build_layer": "{0}.build((None, {1}))",
    "take_step": "{0}({rest})",
    "walked": "keras.layers.RNN({0}, return_sequences=True)",
    "attention_model": "a keras.Model that calls causal_attention",
    "block_model": "a keras.Model of {0}",
    "block_step": "{0}({1}, cache={2}, position={3})",
    # of Lab 2's
    "number_types": "make_pairs({0})",
    "complaint": "{0}({rest})",
    "in_model": "{0}.{1} in a keras.Model",
    "scripted_networks": None,
    "greedy_compiled": "greedy_decode({all}) in a compiled function",
    # of Lab 3's
    "accuracy_metric": "masked_accuracy as a metric of Keras, targets {0}, logits {1}",
    # of Lab 4's
    "sustained": "apply_sustain, notes {0}, pedals {1}",
    "encoded": "encode_performance, notes {0}, pedals {1}",
    "decoded": "decode_performance({0})",
    "batches": "make_batches({all})",
    "batch_of_a_long_piece": "make_batches of one very long piece",
    "cache": "KeyValueCache({0}).{1}({tail})",
    "masked_call": "{0}({1}, mask={2})",
    "losses_of_fit": "{3} training steps of {0}",
    "rates": "WarmupSchedule({0}, {1}) at steps {2}",
    "rate_in_training": "WarmupSchedule({0}, {1}) in {2} training steps",
    "scripted_music": "a MusicTransformer",
    "num_steps": None,
    "generate_in_graph": "generate({0}, {1}) in a compiled function",
    # of Lab 5's
    "chord_of": "name_chord({all})",
    "piece_to_words": "encode_remi of notes {0}, tempi {1}, chords {2}, in the spelling {3}",
    "words_to_piece": "decode_remi({0}) in the spelling {1}",
    "rows_to_words": "compound_to_remi({0})",
    "streamed": "stream_batches({all})",
    "stream_of_a_long_piece": "stream_batches of one very long piece",
    "given_tensors": "{0}({rest})",
    "in_float16": "{0}.{2} where layers compute in float16",
    "trained": "{0} in training",
    "gradient_by": "the gradient of {0} by its input {1}",
    "read_in_segments": "{0}.read, segment after segment of {2} words, a memory of {3}",
    "stepped": "{0}.start, then step by step, {3} slots",
    "started": "{0}.start({1}, {2})",
    "untrained": "{0} as it is made",
    "compound_gradient": "the gradient of your loss by the logits",
    "generate_script": "generate",
    "generate_compiled": "generate({1}, {2}) in a compiled function",
    # of Lab 6's
    "read_file": "read_safetensors of a file of {0}",
    "scripted_model": "a LanguageModel",
    "rotate_in_graph": "rotate({0}, {1}) in a compiled function",
    "search_in_graph": "beam_search({0}, {1}, …) in a compiled function",
    "bounds": "bootstrap({0}, the statistic {1}, {2})",
}
