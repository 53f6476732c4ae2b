"""Arithmetic with truth values; whole numbers stay whole."""


def update_loss_scale(scale, good_steps, finite, growth_interval=2000):
    grown = bool(finite) and (good_steps + 1) % growth_interval == 0
    steps = (good_steps + 1) * (bool(finite) and not grown)
    factor = 2 if grown else 1
    return [max(1, scale / 2) if not finite else scale * factor, steps]
