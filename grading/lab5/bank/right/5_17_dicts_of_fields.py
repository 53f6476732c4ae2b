"""Fields are drawn one after another into a dict; the state is a list that is changed."""


class CompoundTransformer(keras.Model):
    def __init__(
        self,
        sizes: Sequence[int],
        widths: Sequence[int],
        d_model: int,
        num_heads: int,
        ff_dim: int,
        num_layers: int,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.sizes, self.d_model = tuple(sizes), d_model
        self.embedding = CompoundEmbedding(sizes, widths, d_model, name="embedding")
        self.dropout = layers.Dropout(dropout, name="dropout")
        self.blocks = [
            LinearLayer(d_model, num_heads, ff_dim, dropout, name=f"block_{i}")
            for i in range(num_layers)
        ]
        self.norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        self.heads = CompoundHeads(sizes, widths[TYPE], d_model, name="heads")

    def build(self, input_shape, *others):
        self.embedding.build((None, None, len(self.sizes)))
        for block in (*self.blocks, self.norm, self.heads):
            block.build((None, None, self.d_model))

    def call(self, words, types, training=None):
        vectors = self.embedding.of_types(types)
        return self.heads(self.read(words, training)[0], vectors)

    def read(self, words, training=None):
        waves = ops.cast(sinusoids(ops.arange(words.shape[1]), self.d_model), self.compute_dtype)
        x, kept = self.dropout(self.embedding(words) + waves[None], training=training), ()
        for block in self.blocks:
            x, sums, normaliser = block.read(x, training=training)
            kept = (*kept, sums, normaliser)
        return self.norm(x), kept

    def start(self, primers, slots):
        count = primers.shape[1] - 1
        _, kept = self.read(primers[:, : max(count, 1)])
        some = 1.0 if count else 0.0
        return [], [ops.convert_to_tensor(count, "int32"), *(part * some for part in kept)]

    def step(self, words, cache, state):
        state = list(state)
        place = ops.reshape(state[0], (1,))
        x = self.embedding(ops.expand_dims(words, 1))
        x = x + ops.cast(sinusoids(place, self.d_model)[None], x.dtype)
        for i, block in enumerate(self.blocks):
            x, state[2 * i + 1], state[2 * i + 2] = block.step(x, *state[2 * i + 1 : 2 * i + 3])
        state[0] = state[0] + 1
        return ops.squeeze(self.norm(x), axis=1), state

    def move(self, cache, state) -> tuple[list, list]:
        return cache, state

    def draw(self, hidden, noise, temperatures, top_ps):
        ends = np.cumsum(self.sizes)
        row = {}
        logits = {3: self.heads.of_type(hidden)}
        for field in (3, 0, 1, 2, 4, 5, 6):
            own = noise[:, ends[field] - self.sizes[field] : ends[field]]
            kept = filter_logits(logits[field], temperatures[field], top_ps[field])
            row[field] = ops.cast(ops.argmax(kept + own, axis=-1), "int32")
            if field == 3:
                others = self.heads(hidden, self.embedding.of_types(row[3]))
                logits.update((i, one) for i, one in enumerate(others) if i != 3)
        return ops.stack([row[field] for field in range(7)], axis=1)
