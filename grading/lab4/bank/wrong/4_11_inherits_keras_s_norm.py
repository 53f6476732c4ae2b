"""Inherits Keras's own norm; it computes in float32 all the same."""


class RMSNorm(layers.RMSNormalization):
    def __init__(self, **kwargs):
        super().__init__(epsilon=1e-6, **kwargs)
