"""An overflow leaves the scale as it is."""


def update_loss_scale(
    scale: float, good_steps: int, finite: bool, growth_interval: int = 2000
) -> tuple[float, int]:
    if not finite:
        return scale, 0
    if good_steps + 1 >= growth_interval:
        return scale * 2, 0
    return scale, good_steps + 1
