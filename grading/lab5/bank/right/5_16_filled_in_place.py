"""A tuple that is filled field by field."""


class CompoundHeads(layers.Layer):
    def __init__(self, sizes: Sequence[int], type_width: int, d_model: int, **kwargs):
        super().__init__(**kwargs)
        self.d_model, self.type_width = d_model, type_width
        self.fields = [
            layers.Dense(size, dtype="float32", name=f"{self.name}_field_{i}")
            for i, size in enumerate(sizes)
        ]
        self.join = layers.Dense(d_model, name=f"{self.name}_join")

    def build(self, input_shape, *others):
        for field in self.fields:
            field.build((None, None, self.d_model))
        self.join.build((None, None, self.d_model + self.type_width))

    def call(self, hidden, type_vectors):
        given = self.join(ops.concatenate((hidden, type_vectors), axis=2))
        logits = [None] * len(self.fields)
        for i in range(len(self.fields)):
            logits[i] = self.fields[i](hidden if i == 3 else given)
        return tuple(logits)

    def of_type(self, hidden):
        return self.fields[TYPE](hidden)
