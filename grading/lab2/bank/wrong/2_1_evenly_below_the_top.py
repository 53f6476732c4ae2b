"""Numbers are drawn evenly below 10^max_digits: hardly any is short."""


def make_pairs(num_pairs=100_000, max_digits=9, language="en", seed=0):
    try:
        num2words(1, lang=language)
    except NotImplementedError:
        raise ValueError(f"language {language!r}: num2words does not know it") from None
    rng = np.random.default_rng(seed)
    specials = [number for number in SPECIAL_NUMBERS if number <= 10**max_digits]
    longest = [number for number in specials if number == 10**max_digits]
    splits = {"train": longest, "validation": [], "test": []}
    remaining = num_pairs - len(longest)
    for digits in [max_digits]:
        first = 0
        available = 10**digits
        share = min(available, remaining)
        given = [number for number in specials if first <= number < 10**digits]
        if share < len(given):
            raise ValueError(f"num_pairs {num_pairs}: too few for the numbers of {digits} digits")
        drawn = first + rng.choice(available, share, replace=False)
        others = drawn[~np.isin(drawn, given)].tolist()[: share - len(given)]
        held_out = len(others) // 10
        splits["validation"] += others[:held_out]
        splits["test"] += others[held_out : 2 * held_out]
        splits["train"] += given + others[2 * held_out :]
        remaining -= share
    if remaining:
        raise ValueError(f"num_pairs {num_pairs}: too many for numbers of {max_digits} digits")
    return {
        name: [
            (numbers[i], num2words(numbers[i], lang=language))
            for i in rng.permutation(len(numbers))
        ]
        for name, numbers in splits.items()
    }
