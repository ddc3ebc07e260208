import os
import random
import shutil
from pathlib import Path

import pytest
import torch

from gof.run.files import InputError
from gof.training import checkpoint


def written(tiny, steps: int) -> Path:
    for step in range(1, steps + 1):
        state = tiny.state_after(step)
        state.history = [{"step": step}]
        checkpoint.save(tiny.folder, state, keep=2)
    return tiny.folder


def test_keeps_the_newest(tiny) -> None:
    folder = written(tiny, 4)
    assert [p.name for p in checkpoint.steps(folder)] == ["step-000000003", "step-000000004"]
    state = tiny.state()
    assert checkpoint.load_newest(folder, state)
    assert state.step == 4 and state.history == [{"step": 4}]


def test_nothing_there_is_no_error(tiny) -> None:
    assert not checkpoint.load_newest(tiny.folder / "none", tiny.state())


def test_any_flipped_bit_is_found(tiny, capsys) -> None:
    folder = written(tiny, 2)
    newest, draw = checkpoint.steps(folder)[-1], random.Random(0)
    whole = shutil.copytree(newest, tiny.folder.with_name("whole"))
    for _ in range(60):
        victim = newest / draw.choice((*checkpoint.FILES, checkpoint.MANIFEST))
        content = bytearray(victim.read_bytes())
        position = draw.randrange(len(content))
        content[position] ^= 1 << draw.randrange(8)
        victim.write_bytes(content)
        state = tiny.state()
        assert checkpoint.load_newest(folder, state) and state.step == 1
        assert not newest.exists(), "room is kept for the one that will replace it"
        shutil.copytree(whole, newest)
    assert "does not match its hash" in capsys.readouterr().err


def test_a_damaged_one_is_replaced_and_the_good_one_before_it_kept(tiny) -> None:
    folder = written(tiny, 2)
    newest = checkpoint.steps(folder)[-1]
    (newest / "log.json").write_text("{")
    state = tiny.state_after(2)
    checkpoint.save(folder, state, keep=2)
    assert [p.name for p in checkpoint.steps(folder)] == ["step-000000001", "step-000000002"]
    again = tiny.state()
    assert checkpoint.load_newest(folder, again) and again.step == 2


def test_what_only_looks_like_a_checkpoint_does_no_harm(tiny) -> None:
    folder = written(tiny, 2)
    (folder / "step-zzz").mkdir()
    (folder / "step-000000009").write_text("a file")
    manifest = checkpoint.steps(folder)[1] / checkpoint.MANIFEST
    manifest.unlink()
    manifest.mkdir()
    state = tiny.state()
    assert checkpoint.load_newest(folder, state) and state.step == 1
    assert (folder / "step-zzz").is_dir()


@pytest.mark.parametrize("name", [*checkpoint.FILES, checkpoint.MANIFEST])
@pytest.mark.parametrize("cut", [0, 10, None])
def test_cut_or_missing_files_fall_back(tiny, name, cut) -> None:
    folder = written(tiny, 2)
    victim = checkpoint.steps(folder)[-1] / name
    if cut is None:
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:cut])
    state = tiny.state()
    assert checkpoint.load_newest(folder, state) and state.step == 1


def test_only_damaged_ones_never_start_afresh_in_silence(tiny) -> None:
    folder = written(tiny, 1)
    (checkpoint.steps(folder)[0] / checkpoint.MANIFEST).unlink()
    with pytest.raises(InputError, match="all checkpoints are damaged"):
        checkpoint.load_newest(folder, tiny.state())


def test_leftovers_of_a_kill_are_removed(tiny) -> None:
    folder = written(tiny, 1)
    leftover = folder / ".step-000000009.tmp"
    shutil.copytree(checkpoint.steps(folder)[0], leftover)
    state = tiny.state()
    assert checkpoint.load_newest(folder, state) and state.step == 1
    assert not leftover.exists()


def test_full_disk_keeps_the_old_checkpoint(tiny, monkeypatch) -> None:
    folder = written(tiny, 1)

    def full(path, content):
        raise InputError(f"{path}: no room")

    monkeypatch.setattr(checkpoint, "write_state", full)
    state = tiny.state_after(2)
    with pytest.raises(InputError, match="no room"):
        checkpoint.save(folder, state, keep=2)
    assert [p.name for p in folder.iterdir()] == ["step-000000001"]
    assert checkpoint.load_newest(folder, tiny.state())


def test_content_is_all_of_the_state(tiny) -> None:
    state = tiny.state_after(7)
    checkpoint.save(tiny.folder, state, keep=2)
    other = tiny.state()
    with torch.no_grad():
        for parameter in other.generator.parameters():
            parameter.zero_()
    checkpoint.load_newest(tiny.folder, other)
    mine, theirs = state.tensors(), other.tensors()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_checkpoint_is_written_once_and_holds_the_log(tiny) -> None:
    state = tiny.state_after(3)
    state.history, state.window = [{"step": 2.0}], [{"loss_g": 1.0}]
    checkpoint.save(tiny.folder, state, keep=2)
    folder = checkpoint.steps(tiny.folder)[0]
    assert {path.name for path in folder.iterdir()} == {*checkpoint.FILES, checkpoint.MANIFEST}
    state.history = []
    checkpoint.save(tiny.folder, state, keep=2)
    other = tiny.state()
    assert checkpoint.load_newest(tiny.folder, other)
    assert (other.step, other.history, other.window) == (3, [{"step": 2.0}], [{"loss_g": 1.0}])


def test_what_a_kill_left_of_building_does_not_come_in(tiny) -> None:
    building = tiny.folder / ".step-000000001.tmp"
    building.mkdir()
    (building / "torn").write_text("")
    folder = written(tiny, 1)
    assert not (checkpoint.steps(folder)[0] / "torn").exists() and not building.exists()


def test_removal_goes_from_old_to_new_and_leaves_nothing(tiny, monkeypatch) -> None:
    folder, gone = written(tiny, 2) / "own", []
    folder.mkdir()
    for old in checkpoint.steps(tiny.folder):
        shutil.move(old, folder / old.name)
    rename = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (gone.append((a.name, b.name)), rename(a, b)))
    checkpoint.remove(folder)
    assert gone == [(f"step-00000000{n}", f".step-00000000{n}.tmp") for n in (1, 2)]
    assert not folder.exists()
    checkpoint.remove(folder)  # nothing there is nothing to do
