"""The larger of the two."""


class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak: float, warmup: int):
        super().__init__()
        self.peak, self.warmup = peak, warmup

    def __call__(self, step):
        step = ops.cast(step, "float32") + 1
        return self.peak * ops.maximum(step / self.warmup, ops.sqrt(self.warmup / step))

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}
