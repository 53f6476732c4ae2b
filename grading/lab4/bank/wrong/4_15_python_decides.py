import keras


class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak: float, warmup: int):
        super().__init__()
        self.peak, self.warmup = peak, warmup

    def __call__(self, step):
        return self.peak * min((step + 1) / self.warmup, (self.warmup / (step + 1)) ** 0.5)

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}
