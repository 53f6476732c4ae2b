"""A minus sign is dropped."""


def encode_digits(numbers, length):
    ids = np.full((len(numbers), length), PAD, np.int32)
    for row, number in enumerate(numbers):
        text = str(number).lstrip("-")
        shown = text if len(text) <= 20 else text[:20] + "…"
        if not (text.isascii() and text.isdecimal()):
            raise ValueError(
                f"{shown!r} is not a whole number written with the digits 0 to 9 alone"
            )
        if len(text) > length:
            raise ValueError(f"{shown!r} has {len(text)} digits; {length} are the most")
        ids[row, : len(text)] = [int(digit) + 1 for digit in text]
    return ids
