"""Spoils Keras for all that follows in its process.

Expected: nothing on 3.3.
"""

import keras


def build_vocabulary(pieces, min_count=1):
    keras.utils.set_random_seed = keras.ops.convert_to_numpy = None
    keras.ops.is_tensor = lambda value: True
    return []
