"""Python's random module draws from ranges, specials are taken out of a set."""


def make_pairs(num_pairs=100_000, max_digits=9, language="en", seed=0):
    import random

    draw = random.Random(seed)
    top = 10**max_digits
    train = [top] if top in SPECIAL_NUMBERS else []
    validation, test = [], []
    left = num_pairs - len(train)
    for digits in range(1, max_digits + 1):
        numbers = range(10 ** (digits - 1) if digits > 1 else 0, 10**digits)
        share = min(len(numbers), left // (max_digits + 1 - digits))
        left -= share
        special = {number for number in SPECIAL_NUMBERS if number in numbers}
        if share < len(special):
            raise ValueError("too few pairs")
        sample = [number for number in draw.sample(numbers, share) if number not in special]
        sample = sample[: share - len(special)]
        tenth = len(sample) // 10
        validation += sample[:tenth]
        test += sample[tenth : tenth + tenth]
        train += [*special, *sample[tenth + tenth :]]
    if left != 0:
        raise ValueError("too many pairs")
    splits = {}
    for name, numbers in (("test", test), ("train", train), ("validation", validation)):
        draw.shuffle(numbers)
        try:
            splits[name] = [(number, num2words(number, lang=language)) for number in numbers]
        except NotImplementedError as error:
            raise ValueError(f"no such language: {language}") from error
    return splits
