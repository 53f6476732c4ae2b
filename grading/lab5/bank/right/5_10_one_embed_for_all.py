"""The call has a path of its own; slices from the left; long primers are read in parts."""


class TransformerXL(keras.Model):
    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        num_layers: int,
        memory_length: int,
        dropout: float = 0.0,
        same_length: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.d_model, self.num_heads, self.memory_length = d_model, num_heads, memory_length
        self.embedding = layers.Embedding(vocab_size, d_model, name="embedding")
        self.dropout = layers.Dropout(dropout, name="dropout")
        self.blocks = [
            XLLayer(d_model, num_heads, ff_dim, dropout, same_length, name=f"block_{i}")
            for i in range(num_layers)
        ]
        self.output_layer = layers.Dense(
            vocab_size,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
            dtype="float32",
            name="output",
        )

    def build(self, input_shape):
        self.embedding.build(input_shape)
        for block in self.blocks:
            block.build((None, None, self.d_model))
        self.output_layer.build((None, None, self.d_model))
        self.biases = self.add_weight(
            shape=(2, self.num_heads, self.d_model // self.num_heads),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="biases",
        )

    def empty_memory(self, batch_size, memory_length=None):
        if memory_length is None:
            memory_length = self.memory_length
        known = ops.zeros((batch_size, memory_length), "float32") > 0
        shape = (batch_size, memory_length, self.d_model)
        return (known, *(ops.zeros(shape, self.compute_dtype) for _ in self.blocks))

    def call(self, ids, training=None):
        hidden = self.embed(ids, training)
        known = ops.zeros_like(ids, dtype="bool")[:, :0]
        for block in self.blocks:
            hidden = block(hidden, hidden[:, :0], known, self.biases, training=training)
        return ops.cast(self.output_layer(hidden), "float32")

    def embed(self, ids, training=None):
        vectors = ops.multiply(self.embedding(ids), np.sqrt(self.d_model).astype("float32"))
        return self.dropout(ops.cast(vectors, self.compute_dtype), training=training)

    def read(self, ids, memory, training=None):
        known, rest = memory[0], memory[1:]
        T, M = ids.shape[1], known.shape[1]
        hidden, given = self.embed(ids, training), []
        for i, block in enumerate(self.blocks):
            given.append(hidden)
            hidden = block(hidden, rest[i], known, self.biases, training=training)
        after = [ops.concatenate([known, ops.ones_like(ids, dtype="bool")], axis=1)[:, T:]]
        for old, new in zip(rest, given, strict=True):
            both = ops.concatenate([ops.cast(old, new.dtype), new], axis=1)
            after.append(ops.stop_gradient(both)[:, T : T + M])
        return ops.cast(self.output_layer(hidden), "float32"), after

    def start(self, primers, slots):
        memory = self.empty_memory(ops.shape(primers)[0])
        for begin in range(0, primers.shape[1] - 1, 1000):
            some = primers[:, begin : min(begin + 1000, primers.shape[1] - 1)]
            memory = self.read(some, memory)[1]
        cache, state = [memory[0]], [ops.convert_to_tensor(0, "int32")]
        for i, block in enumerate(self.blocks):
            both = block.recall(memory[1 + i])
            r = block.place(np.arange(self.memory_length, -1, -1))
            cache.extend([*both, r])
            batch, heads, _, dim = ops.shape(both[0])
            state.extend(ops.zeros((batch, heads, slots, dim), part.dtype) for part in both)
        return cache, state

    def step(self, words, cache, state):
        hidden = self.embed(words[:, None])
        state = list(state)
        for i, block in enumerate(self.blocks):
            keys, values, r = cache[3 * i + 1], cache[3 * i + 2], cache[3 * i + 3]
            new = state[2 * i + 1], state[2 * i + 2]
            answer = block.step(hidden, state[0], cache[0], self.biases, keys, values, r, *new)
            hidden, state[2 * i + 1], state[2 * i + 2] = answer
        state[0] = state[0] + 1
        return ops.squeeze(hidden, axis=1), state

    def move(self, cache, state):
        slots = state[1].shape[2] if self.blocks else 0
        cache = list(cache)
        written = ops.ones_like(state[1][:, 0, :, 0], dtype="bool")
        cache[0] = ops.concatenate([cache[0], written], axis=1)[:, slots:]
        for i in range(len(self.blocks)):
            for part in range(2):
                both = [cache[3 * i + 1 + part], state[2 * i + 1 + part]]
                cache[3 * i + 1 + part] = ops.concatenate(both, axis=2)[:, :, slots:]
        return cache, [state[0] * 0, *state[1:]]

    def draw(self, hidden, noise, temperatures, top_ps):
        logits = self.output_layer(hidden)
        kept = filter_logits(logits, temperature=temperatures[0], top_p=top_ps[0])
        return ops.cast(ops.argmax(ops.add(noise, kept), axis=1), "int32")
