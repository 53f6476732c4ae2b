def split_words(text, language="en"):
    return text.split()
