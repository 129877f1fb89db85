"""Pools: what is in them, how they are shared by processes, and what becomes of damage and full disks."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import pool as pools
from synvid_eval.generators.pool import Pool
from synvid_eval.generators.shapes import Shapes
from synvid_eval.generators.statistical import Statistical
from tests.generators.stripes import Plain, Stripes, stripes

__all__ = ["stripes"]

RECIPE = Stripes(size=32)


def test_a_texture_is_its_recipes_picture_and_made_once(tmp_path, monkeypatch):
    pool = Pool(RECIPE, 3, "p", 10, tmp_path)
    assert pool.missing() == list(range(10)) and not list(pool._done)[7]
    texture = pool.texture(7)
    assert texture.dtype == np.uint8 and texture.shape == (32, 32, 4) and not texture.flags.writeable
    assert np.array_equal(texture[..., :3], RECIPE.picture(3, "p", 7)) and not texture[..., 3].any()
    assert pool.missing() == [0, 1, 2, 3, 4, 5, 6, 8, 9] and pool.missing([6, 7]) == [6]
    monkeypatch.setattr(Stripes, "picture", None)
    again = Pool(RECIPE, 3, "p", 10, tmp_path)
    assert np.array_equal(again.texture(7), texture)
    assert again.words.shape == (10, 32, 32) and again.words[7, 2, 3] == texture[2, 3].view("<u4")[0]


def test_each_part_of_the_identity_has_a_file_of_its_own(tmp_path):
    for made in [
        (RECIPE, 0, "p", 4),
        (Stripes(size=64), 0, "p", 4),
        (RECIPE, 1, "p", 4),
        (RECIPE, 0, "q", 4),
    ]:
        Pool(*made, tmp_path).need([0])
        Pool(*made, tmp_path).need([0])
    Pool(RECIPE, 0, "p", 5, tmp_path).need([0])
    Pool(RECIPE, 0, "p", 6, tmp_path)  # what nobody looks into has no files
    assert len(list(tmp_path.glob("*.rgbx"))) == 5


@pytest.mark.parametrize("where", ["rgbx", "done"])
def test_damage_is_noticed_and_made_again(tmp_path, where):
    pool = Pool(RECIPE, 0, "p", 3, tmp_path)
    expected = pool.texture(1).copy()
    with open(pool._path(where), "r+b") as file:
        file.seek(pool._each + 100 if where == "rgbx" else 8)
        file.write(b"\x55\x66")
    again = Pool(RECIPE, 0, "p", 3, tmp_path)
    assert np.array_equal(again.texture(1), expected)
    assert again._sound(1)


def test_a_file_that_was_cut_is_filled_again(tmp_path):
    pool = Pool(RECIPE, 0, "p", 3, tmp_path)
    expected = pool.texture(2).copy()
    path = pool._path("rgbx")
    del pool
    os.truncate(path, 5000)
    assert np.array_equal(Pool(RECIPE, 0, "p", 3, tmp_path).texture(2), expected)


SCRIPT = """
import sys
from pathlib import Path
from synvid_eval.generators.pool import Pool
from tests.generators.stripes import Stripes
pool = Pool(Stripes(size=128), 0, "p", 400, Path(sys.argv[1]))
print("started", flush=True)
pool.need(range(400))
print("done", flush=True)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)], cwd=root, stdout=subprocess.PIPE, text=True
    )


def test_killed_and_concurrent_processes_leave_a_right_pool(tmp_path):
    recipe = Stripes(size=128)
    for delay in (0.02, 0.1):
        process = start(tmp_path)
        assert process.stdout is not None and process.stdout.readline() == "started\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    pool = Pool(recipe, 0, "p", 400, tmp_path)
    assert 0 < len(pool.missing()) < 400
    both = [start(tmp_path) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    fresh = Pool(recipe, 0, "p", 400, tmp_path)
    assert fresh.missing() == [] and all(fresh._sound(i) for i in range(400))
    for index in range(0, 400, 37):
        assert np.array_equal(fresh.texture(index)[..., :3], recipe.picture(0, "p", index))


def test_threads_share_a_pool(tmp_path):
    pool = Pool(RECIPE, 0, "p", 50, tmp_path)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(pool.need, [range(50)] * 4))
    assert all(pool._sound(i) for i in range(50))


def test_a_folder_that_cannot_be_written_means_memory(tmp_path):
    (tmp_path / "file").write_text("")
    pool = Pool(RECIPE, 0, "p", 5, tmp_path / "file" / "pools")
    assert pool.path is None
    assert np.array_equal(pool.texture(3)[..., :3], RECIPE.picture(0, "p", 3)) and pool.missing() == [
        0,
        1,
        2,
        4,
    ]
    assert np.array_equal(Pool(RECIPE, 0, "p", 5, None).texture(3), pool.texture(3))


def test_a_disk_that_fills_up_means_memory(tmp_path):
    pool = Pool(RECIPE, 0, "p", 50, tmp_path)
    first = pool.texture(40).copy()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        second = pool.texture(41).copy()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert pool.path is None and 40 not in pool.missing() and 41 not in pool.missing()
    assert np.array_equal(second[..., :3], RECIPE.picture(0, "p", 41))
    assert np.array_equal(pool.texture(40), first) and pool.words[41].any()


# --- banks ---


def bank(folder: Path, count: int = 6, recipe: Stripes = RECIPE) -> Pool:
    return Pool(recipe, 4, "bank", count, folder, stem="stripes")


def test_a_bank_is_made_in_pieces_and_read_without_its_recipe(stripes, tmp_path, monkeypatch):
    made = bank(tmp_path)
    made.need(range(3))
    with pytest.raises(DataError, match=r"stripes\.rgbx is not complete: 3 of 6 textures are missing\."):
        Pool.bank(tmp_path, RECIPE)
    bank(tmp_path).need(made.missing())
    expected = [RECIPE.picture(4, "bank", i) for i in range(6)]
    monkeypatch.setattr(Stripes, "picture", None)
    read = Pool.bank(tmp_path, RECIPE)
    assert [np.array_equal(read.texture(i)[..., :3], e) for i, e in enumerate(expected)] == [True] * 6
    (from_shapes,) = Shapes(textures="stripes(size=32)", bank=str(tmp_path)).pools(99)
    assert from_shapes.count == 6 and from_shapes.identity == made.identity
    next(Shapes(size=32, textures="stripes(size=32)", bank=str(tmp_path)).draw(99, "p", 0, [0]))
    assert not stripes.exists()


def test_a_bank_from_before_a_knob_is_of_that_knobs_default(tmp_path):
    plain, other = Statistical(size=32), Statistical(size=32, slope="1:2")
    made = Pool(plain, 0, "bank", 2, tmp_path, stem="statistical")
    made.need(made.missing())
    assert "slope" not in (tmp_path / "statistical.json").read_text()
    assert Pool.bank(tmp_path, plain).identity["count"] == 2
    with pytest.raises(DataError, match=r"was made with slope=0\.5:3\.5, wanted is 1:2"):
        Pool.bank(tmp_path, other)


def test_pools_may_lie_apart_for_a_while(stripes, tmp_path):
    before = pools.folder()
    with pools.kept_apart():
        where = pools.folder()
        assert where != before and where.is_dir()
        (apart,) = pools.shared([RECIPE], 0, "p", 2)
        apart.need([0])
    assert pools.folder() == before and not where.exists()
    (there,) = pools.shared([RECIPE], 0, "p", 2)
    assert there.path is None or there.path.parent == before


def test_bad_banks_say_what_is_wrong(stripes, tmp_path):
    with pytest.raises(
        DataError, match=r"holds no bank stripes\.rgbx\. Make one: synvid-eval textures make\."
    ):
        Shapes(textures="stripes", bank=str(tmp_path)).pools(0)
    made = bank(tmp_path)
    made.need(range(6))
    with pytest.raises(UsageError, match="tells of other textures than are to be made"):
        bank(tmp_path, 7)
    with pytest.raises(DataError, match=r"made with size=32, wanted is 256\. Name what it holds: textures="):
        Pool.bank(tmp_path, Stripes())
    with open(made._path("rgbx"), "r+b") as file:
        file.seek(3 * made._each)
        file.write(b"\x01\x02\x03")
    with pytest.raises(DataError, match=r"Texture 3 of the bank .* is damaged"):
        Pool.bank(tmp_path, RECIPE).texture(3)
    os.truncate(made._path("rgbx"), 1000)
    with pytest.raises(DataError, match="is cut short"):
        Pool.bank(tmp_path, RECIPE)
    made._path("json").write_text("[]")
    with pytest.raises(DataError, match=r"no readable stripes\.json"):
        Pool.bank(tmp_path, RECIPE)


# --- what a text names ---


def test_recipes_are_read(stripes):
    assert pools.recipes("stripes") == [Stripes()]
    assert pools.recipes("stripes(size=64,steps=9)+plain") == [Stripes(size=64, steps=9), Plain()]
    assert pools.recipes(" stripes plain ") == [Stripes(), Plain()]  # what becomes of a + in a URI


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stripe", "No texture is called 'stripe'. Did you mean 'stripes'?"),
        ("stripes(step=3)", "stripes has no knob 'step'. Did you mean 'steps'?"),
        ("stripes(steps=0)", "stripes.steps=0 is out of range."),
        ("stripes(steps)", "'steps' is no knob=value"),
        ("stripes(steps=1,steps=2)", "there twice"),
        ("stripes(steps=1", "cannot be read at"),
        ("stripes+stripes", "names one twice"),
        ("+", "names none"),
    ],
)
def test_texts_that_name_nothing_say_why(stripes, text, message):
    with pytest.raises(UsageError) as caught:
        pools.recipes(text)
    assert message in str(caught.value)


def test_kinds_have_equal_shares(stripes):
    given = pools.shared(pools.recipes("stripes(size=16)+plain(size=16)"), 0, "p", 7)
    assert [p.count for p in given] == [4, 3]
    draws = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    which, index = pools.shares(given, draws)
    assert abs(which.mean() - 0.5) < 0.01
    for number, count in enumerate((4, 3)):
        seen = np.bincount(index[which == number], minlength=count) / (which == number).sum()
        assert len(seen) == count and np.abs(seen - 1 / count).max() < 0.02
    with pytest.raises(UsageError, match="pool=1 is less than a texture for each of 2 kinds"):
        pools.shared(pools.recipes("stripes+plain"), 0, "p", 1)


def test_without_a_cache_pools_lie_in_a_folder_that_goes_with_the_process(tmp_path):
    script = (
        "import os; from synvid_eval.generators import pool; pool.keep_in(None); folder = pool.folder();"
        "assert folder.is_dir(); open(folder / 'x', 'w').close(); print(folder)"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert not Path(run.stdout.strip()).exists()
    script = "from synvid_eval.generators import pool; print(pool.folder())"
    env = {**os.environ, "SYNVID_EVAL_CACHE": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True, env=env
    )
    assert run.stdout.strip() == str(tmp_path / "textures")
