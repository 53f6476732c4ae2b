"""The model's formula without the peak's normalisation."""


class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak: float, warmup: int):
        super().__init__()
        self.peak, self.warmup = peak, warmup

    def __call__(self, step):
        step = ops.cast(step, "float32") + 1
        return self.peak * ops.minimum(step * self.warmup**-1.5, step**-0.5)

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}
