"""Both activations by their formulas."""

import math

from keras import layers, ops


class FeedForward(layers.Layer):
    """Transform each position by itself."""

    def __init__(self, d_model, ff_dim, network="gelu", biases=True, **kwargs):
        super().__init__(**kwargs)
        self.d_model, self.ff_dim = d_model, ff_dim
        self.expand = layers.Dense(ff_dim, use_bias=biases, name=f"{self.name}_expand")
        self.gate = None
        if network == "swiglu":
            self.gate = layers.Dense(ff_dim, use_bias=biases, name=f"{self.name}_gate")
        self.contract = layers.Dense(d_model, use_bias=biases, name=f"{self.name}_contract")

    def build(self, input_shape):
        for layer in (self.expand, self.gate):
            if layer is not None:
                layer.build((None, None, self.d_model))
        self.contract.build((None, None, self.ff_dim))

    def call(self, x):
        wide = self.expand(x)
        if self.gate is not None:
            gate = self.gate(x)
            return self.contract(wide * gate / (1 + ops.exp(-gate)))
        inside = math.sqrt(2 / math.pi) * (wide + 0.044715 * wide * wide * wide)
        return self.contract(wide * (ops.tanh(inside) + 1) / 2)
