"""A choice between the two formulas."""


class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak: float, warmup: int):
        super().__init__()
        self.peak, self.warmup = peak, warmup

    def __call__(self, step):
        n = ops.cast(ops.convert_to_tensor(step), "float32") + 1.0
        share = n / self.warmup
        return ops.where(n <= self.warmup, self.peak * share, self.peak * ops.rsqrt(share))

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}
