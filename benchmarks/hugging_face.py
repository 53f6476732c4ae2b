"""What Hugging Face's GPT-2 and LLaMA give: logits to be equal to, and a speed to compare with.

    PEERS/bin/python benchmarks/hugging_face.py record
    PEERS/bin/python benchmarks/hugging_face.py speed

PEERS is a virtual environment with torch and transformers, which are no part of the course: this
file runs without it. `record` writes two tiny models with random weights as their own library
writes checkpoints, and their logits with all versions, to benchmarks/results/hugging_face; a test
reads them. `speed` prints seconds a token as JSON; `benchmarks.language_models` runs it.
"""

import json
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "hugging_face"
TINY = {"vocab_size": 40, "d_model": 16, "num_heads": 4, "num_layers": 2, "context_length": 24}
TINY_FF = {"gpt2": 64, "llama": 40}
# of the source's models; both have about 11 million parameters
LARGE = {"vocab_size": 400, "d_model": 384, "num_heads": 6, "num_layers": 6, "context_length": 1024}
LARGE_FF = {"gpt2": 1536, "llama": 1024}
TINY_KV, LARGE_KV = 2, 6  # LLaMA's heads of keys and values
TOKENS, BATCH, BATCH_TOKENS = 512, 8, 256


def make(kind, vocab_size, d_model, num_heads, num_layers, context_length, ff_dim, num_kv_heads):
    """Make a model with random weights that never ends of itself."""
    import transformers

    free = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    if kind == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=vocab_size,
            n_positions=context_length,
            n_embd=d_model,
            n_layer=num_layers,
            n_head=num_heads,
            n_inner=ff_dim,
            **free,
        )
        return transformers.GPT2LMHeadModel(config).eval()
    config = transformers.LlamaConfig(
        vocab_size=vocab_size,
        max_position_embeddings=context_length,
        hidden_size=d_model,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=num_kv_heads,
        intermediate_size=ff_dim,
        **free,
    )
    return transformers.LlamaForCausalLM(config).eval()


def record() -> None:
    """Write both models' checkpoints, logits and greedy continuations."""
    import numpy as np
    import torch
    import transformers

    RESULTS.mkdir(parents=True, exist_ok=True)
    ids = np.random.default_rng(0).integers(3, TINY["vocab_size"], (3, 20))
    found = {"ids": ids}
    for kind in ("gpt2", "llama"):
        torch.manual_seed(0)
        model = make(kind, **TINY, ff_dim=TINY_FF[kind], num_kv_heads=TINY_KV)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.normal_(float("norm" in name or "ln_" in name), 0.3)
            found[kind] = model(torch.tensor(ids)).logits.numpy()
        model.save_pretrained(RESULTS / kind, safe_serialization=True)
        (RESULTS / kind / "model.safetensors").rename(RESULTS / f"{kind}.safetensors")
        for left in (RESULTS / kind).iterdir():
            left.unlink()
        (RESULTS / kind).rmdir()
    np.savez_compressed(RESULTS / "logits.npz", **found)
    facts = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sizes": TINY,
        "ff_dim": TINY_FF,
        "num_kv_heads": {"gpt2": TINY["num_heads"], "llama": TINY_KV},
    }
    (RESULTS / "versions.json").write_text(json.dumps(facts, indent=1) + "\n")


def speed() -> None:
    """Print CPU and wall milliseconds a token of each way of decoding, on one thread."""
    import torch
    import transformers

    torch.set_num_threads(1)
    figures: dict = {"torch": torch.__version__, "transformers": transformers.__version__}
    for kind in ("gpt2", "llama"):
        torch.manual_seed(0)
        model = make(kind, **LARGE, ff_dim=LARGE_FF[kind], num_kv_heads=LARGE_KV)
        figures[kind] = {"parameters": sum(weight.numel() for weight in model.parameters())}
        for way, batch, tokens, options in (
            ("greedy", 1, TOKENS, {"do_sample": False}),
            ("top_p", 1, TOKENS, {"do_sample": True, "top_p": 0.95, "top_k": 0}),
            ("beam_3", 1, TOKENS, {"do_sample": False, "num_beams": 3}),
            ("batch_8", BATCH, BATCH_TOKENS, {"do_sample": False}),
        ):
            primer = torch.full((batch, 1), 1)
            more = {"min_new_tokens": tokens, "max_new_tokens": tokens, "use_cache": True}
            model.generate(primer, **options, min_new_tokens=8, max_new_tokens=8)
            cpu, wall = time.process_time(), time.perf_counter()
            made = model.generate(primer, **options, **more)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            assert made.shape == (batch, tokens + 1)
            each = batch * tokens / 1000
            figures[kind][way] = {"cpu_ms": round(cpu / each, 3), "wall_ms": round(wall / each, 3)}
    print(json.dumps(figures))


if __name__ == "__main__":
    {"record": record, "speed": speed}[sys.argv[1]]()
