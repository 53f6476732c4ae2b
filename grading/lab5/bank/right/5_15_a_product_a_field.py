"""Each field has its rows of the join's kernel: a sum of seven products."""


class CompoundEmbedding(layers.Layer):
    def __init__(self, sizes: Sequence[int], widths: Sequence[int], d_model: int, **kwargs):
        super().__init__(**kwargs)
        self.widths = widths
        self.tables = [
            layers.Embedding(size, width, name=f"{self.name}_table_{i}")
            for i, (size, width) in enumerate(zip(sizes, widths, strict=True))
        ]
        self.join = layers.Dense(d_model, name=f"{self.name}_join")

    def build(self, input_shape):
        for table in self.tables:
            table.build((None, None))
        self.join.build((None, None, sum(self.widths)))

    def call(self, words):
        kernel, bias, begin = self.join.kernel, self.join.bias, 0
        total = ops.cast(bias, self.compute_dtype)
        for i, table in enumerate(self.tables):
            width = self.widths[i]
            own = ops.cast(kernel[begin : begin + width], self.compute_dtype)
            total = total + ops.matmul(table(words[:, :, i]), own) * np.sqrt(width).astype(
                "float32"
            )
            begin += width
        return total

    def of_types(self, types):
        return ops.multiply(np.sqrt(self.widths[3]).astype("float32"), self.tables[3](types))
