"""How many numbers a second Lab 2's models write, by greedy decoding on the CPU.

    python -m benchmarks.decoding_numbers

The weights are random and never write END, so every number takes all its steps: the slowest case.
"""

import json
import time

from toolkit.console import quiet_tensorflow, run_command, say
from toolkit.data.parallel import available_cores
from toolkit.paths import ROOT, write_whole

RESULTS = ROOT / "benchmarks" / "results" / "decoding_numbers.json"
COUNT = 8192
VOCAB_SIZE, STEPS = 38, 24  # English words to 10^9: at most 23 tokens and END


def main() -> None:
    """Measure both models of the quick preset, print a line each, write the JSON file."""
    quiet_tensorflow()
    import keras
    import numpy as np

    from labs.course.catalogue import load_lab
    from labs.course.code import load_tasks
    from labs.lab2_numbers.experiment import PRESETS
    from labs.lab2_numbers.generate import compiled_greedy

    tasks, settings = load_tasks(load_lab(2), "solution"), PRESETS["quick"]
    keras.utils.set_random_seed(0)
    models = {
        "GRU": tasks.build_gru_translator(
            VOCAB_SIZE, settings.gru_embedding_dim, settings.gru_units
        ),
        "Transformer": tasks.build_transformer(
            VOCAB_SIZE,
            settings.d_model,
            settings.num_heads,
            settings.ff_dim,
            settings.num_layers,
            0.0,
            STEPS,
        ),
    }
    numbers = np.random.default_rng(0).integers(0, 10**9, COUNT).tolist()
    digits = tasks.encode_digits(numbers, 10)
    figures: dict[str, dict[str, float] | int] = {"numbers": COUNT, "cores": available_cores()}
    for name, (model, encoder, stepper) in models.items():
        kernel, bias = model.get_layer("logits").get_weights()
        bias[tasks.END] = -1e9
        model.get_layer("logits").set_weights([kernel, bias])
        greedy = compiled_greedy(tasks, encoder, stepper, STEPS)
        batches = np.split(digits, COUNT // settings.decode_batch)
        greedy(batches[0])  # compiles
        begin, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            greedy(batch)
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
        figures[name] = {
            "numbers a second": round(COUNT / wall),
            "numbers a CPU second": round(COUNT / cpu),
        }
        say(f"{name}: {COUNT / wall:,.0f} numbers a second, {COUNT / cpu:,.0f} a CPU second")
    write_whole(RESULTS, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    run_command(main)
