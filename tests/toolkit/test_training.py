"""Training: exact measures, an order that the seed decides, Ctrl-C, kills and going on."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_run
from tiny_run import SETTINGS, accuracy, build, data, nats, train, train_performer

from toolkit.errors import EtudeError
from toolkit.training.runs import Run

SCRIPT = Path(tiny_run.__file__)


def new_run(root: Path, resume: bool = False) -> Run:
    return Run.create("lab3_notes", "quick", SETTINGS, resume=resume, root=root)


def killed_run(root: Path, *options: str) -> Run:
    """A run that was killed in its third epoch, to go on with."""
    command = [sys.executable, SCRIPT, root, *options, "kill=2:1"]
    killed = subprocess.run(command, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    run = new_run(root, resume=True)
    assert run.log()["epoch"] == [1, 2]
    return run


def weights(model) -> list[np.ndarray]:
    return [np.asarray(weight) for weight in model.get_weights()]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run that nothing disturbed."""
    run = new_run(tmp_path_factory.mktemp("unbroken"))
    model, log = train(run)
    run.finish()
    return model, log


@pytest.fixture
def disturb(monkeypatch):
    """`disturb(epoch, batch, act)` calls `act` after that batch, in this test only."""
    from toolkit.training import fit as training

    monkeypatch.setattr(training._Order, "on_epoch_begin", training._Order.on_epoch_begin)
    monkeypatch.setattr(training._Order, "on_train_batch_end", training._Order.on_train_batch_end)
    return tiny_run.at_batch


def assert_same(model, log, unbroken) -> None:
    same_model, same_log = unbroken
    assert log["epoch"] == same_log["epoch"] == [1, 2, 3, 4]
    for column in same_log:
        np.testing.assert_allclose(log[column], same_log[column], rtol=1e-5, err_msg=column)
    # float32 sums in another order differ by about 1e-7 a step; 16 steps
    for ours, theirs in zip(weights(model), weights(same_model), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_an_epochs_measure_is_exact_when_batches_hold_different_numbers_of_tokens():
    from toolkit.training.fit import PerToken

    metric = PerToken(accuracy, "accuracy")
    logits = np.eye(12, dtype="float32")
    full, short = np.array([[1, 2, 3, 4, 5, 6]]), np.array([[7, 0, 0, 0, 0, 0]])
    metric.update_state(full, logits[full])  # six of six right
    metric.update_state(short, logits[[[8, 0, 0, 0, 0, 0]]])  # none of one
    assert float(metric.result()) == pytest.approx(6 / 7)


def test_padding_alone_counts_as_nothing():
    from toolkit.training.fit import PerToken

    metric = PerToken(nats, "nats")
    assert float(metric.result()) == 0
    metric.update_state(np.zeros((2, 3), "int32"), np.ones((2, 3, 12), "float32"))
    assert float(metric.result()) == 0


def test_the_loss_function_gets_integer_targets_and_float32_logits():
    import keras

    from toolkit.training.fit import PerTokenLoss

    seen = {}

    def spy(targets, logits):
        seen.update(targets=targets.dtype, logits=logits.dtype)
        return nats(targets, logits)

    PerTokenLoss(spy)(np.array([[1.0, 2.0]]), keras.ops.ones((1, 2, 12), dtype="bfloat16"))
    names = {name: keras.backend.standardize_dtype(dtype) for name, dtype in seen.items()}
    assert names == {"targets": "int32", "logits": "float32"}


def test_batches_hold_every_row_once_in_an_order_of_seed_and_epoch():
    from toolkit.training.fit import Batches

    rows = np.arange(1, 11)[:, None].repeat(3, 1)

    def order(seed, epoch):
        batches = Batches(rows, rows, batch_size=4, seed=seed)
        batches.start(epoch)
        assert all(batch.shape == (4, 3) for index in range(3) for batch in batches[index])
        return [int(row[0]) for index in range(len(batches)) for row in batches[index][0]]

    first = order(seed=1, epoch=0)
    assert sorted(first) == [0, 0, *range(1, 11)]
    assert first == order(seed=1, epoch=0)
    assert first != order(seed=1, epoch=1)
    assert first != order(seed=2, epoch=0)
    assert [row for row in order(seed=None, epoch=5) if row] == list(range(1, 11))


def test_the_log_holds_what_the_best_weights_give_on_all_validation_tokens(unbroken):
    model, log = unbroken
    inputs, targets = data(21, 1)
    logits = model.predict(inputs, verbose=0)
    best = min(log["val_nats_per_token"])
    assert float(nats(targets, logits)) == pytest.approx(best, rel=1e-5)
    assert log["nats_per_token"][-1] < log["nats_per_token"][0]
    assert set(log) >= {"epoch", "accuracy", "val_accuracy"}


def test_the_stamp_says_on_what_the_run_was_trained(tmp_path, disturb):
    run = Run.create("lab3_notes", "quick", SETTINGS, stamp={"checks": "abc"}, root=tmp_path)
    disturb(0, 0, lambda: os.kill(os.getpid(), signal.SIGINT))
    train(run)
    assert run.stamp["checks"] == "abc"
    assert run.stamp["device"].endswith("(float32)")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_sixteen_bits_learn_too(precision, tmp_path):
    import keras

    from toolkit.training.runtime import configure

    try:
        _, log = train(new_run(tmp_path), configure(seed=3, precision=precision), epochs=2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert log["nats_per_token"][1] < log["nats_per_token"][0]
    assert np.isfinite(log["val_nats_per_token"]).all()


def test_a_run_killed_in_an_epoch_goes_on_to_the_same_weights(unbroken, tmp_path):
    assert_same(*train(killed_run(tmp_path)), unbroken)


@pytest.mark.verify
def test_so_does_a_music_transformer_on_its_crops(tmp_path):
    unbroken = train_performer(new_run(tmp_path / "unbroken"))
    assert_same(*train_performer(killed_run(tmp_path, "performances")), unbroken)


def test_ctrl_c_keeps_whole_epochs_and_the_best_weights_and_can_go_on(unbroken, tmp_path, disturb):
    run = new_run(tmp_path)
    disturb(2, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    model, log = train(run)
    run.finish()
    assert log["epoch"] == [1, 2]
    assert run.interrupted == "interrupted in epoch 3 of 4"
    again = build()
    again.load_weights(run.best_weights)
    for ours, theirs in zip(weights(model), weights(again), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    disturb(-1, 0, lambda: None)
    run = new_run(tmp_path, resume=True)
    assert_same(*train(run), unbroken)
    run.finish()
    with pytest.raises(EtudeError, match="no unfinished run"):
        new_run(tmp_path, resume=True)


def test_ctrl_c_in_the_first_epoch_leaves_a_model_and_an_empty_log(tmp_path, disturb):
    run = new_run(tmp_path)
    disturb(0, 0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    model, log = train(run)
    assert log == {}
    assert run.interrupted == "interrupted in epoch 1 of 4"
    assert all(np.isfinite(weight).all() for weight in weights(model))


def test_a_second_ctrl_c_stops_at_once(tmp_path, disturb):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    disturb(0, 0, twice)
    with pytest.raises(KeyboardInterrupt):
        train(new_run(tmp_path))


def test_a_backup_of_another_model_is_refused(tmp_path):
    from toolkit.training.fit import Backup

    small, large = build(units=4), build(units=8)
    for model in (small, large):
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
    backup = Backup(tmp_path)
    backup.set_model(small)
    backup.on_epoch_end(0)
    assert Backup.restore(tmp_path, small) == 1
    with pytest.raises(EtudeError, match="weights have other shapes"):
        Backup.restore(tmp_path, large)


def test_no_data_is_told_in_a_sentence(tmp_path):
    from toolkit.training.fit import fit
    from toolkit.training.runtime import configure

    nothing = (np.zeros((0, 4), "int32"),) * 2
    with pytest.raises(EtudeError, match="no training data"):
        fit(
            None, new_run(tmp_path), configure(0), loss=nats, metrics={}, train=nothing,
            validation=data(3, 0), epochs=1, batch_size=2, optimizer=None,
        )  # fmt: skip


def trained(root: Path) -> list[Path]:
    """The runs that have begun to train."""
    found = root.glob("lab3/*-*/status.json")
    return [path.parent for path in found if '"preparing"' not in path.read_text()]


@pytest.mark.verify
def test_a_run_killed_again_and_again_at_any_moment_ends_as_if_unbroken(unbroken, tmp_path):
    rng = random.Random(5)
    for _ in range(200):
        options = [tmp_path] + ["resume"] * bool(trained(tmp_path))
        child = subprocess.Popen([sys.executable, SCRIPT, *options], stdout=subprocess.DEVNULL)
        try:
            assert child.wait(timeout=rng.uniform(4, 14)) == 0
            break
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            time.sleep(0.1)
    (folder,) = trained(tmp_path)
    run = Run(folder, "lab3", "quick", SETTINGS)
    model = build()
    model.load_weights(run.best_weights)
    assert_same(model, run.log(), unbroken)
