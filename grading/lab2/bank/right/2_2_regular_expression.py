"""A regular expression judges, bytes become ids."""


def encode_digits(numbers, length):
    rows = []
    for number in numbers:
        text = f"{number}"
        if not re.fullmatch("[0-9]+", text) or text != text.strip():
            raise ValueError(f'"{text[:20]}" is no whole number')
        if len(text) > length:
            raise ValueError(
                f"{text[:19]}… is longer than {length} digits"
                if len(text) > 20
                else f"{text} is longer than {length} digits"
            )
        ids = np.frombuffer(text.encode(), np.uint8).astype("int32") - 47
        rows.append(np.pad(ids, (0, length - len(ids))))
    return np.array(rows, "int32").reshape(-1, length)
