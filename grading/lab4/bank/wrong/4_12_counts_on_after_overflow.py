"""An overflow does not begin a new count."""


def update_loss_scale(
    scale: float, good_steps: int, finite: bool, growth_interval: int = 2000
) -> tuple[float, int]:
    if not finite:
        return max(scale / 2, 1.0), good_steps
    if good_steps + 1 >= growth_interval:
        return scale * 2, 0
    return scale, good_steps + 1
