"""Palettes: their laws, CIE L*a*b* against scikit-image and mpmath, their bytes, their texts, and that they
change colors and nothing else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import warnings
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy import stats
from skimage.color import lab2rgb, lab2xyz, rgb2lab

from synvid_eval import knobs, randomness
from synvid_eval.errors import UsageError
from synvid_eval.features import lab as lab_feature
from synvid_eval.generators import octopus, palette, presets, textures
from synvid_eval.generators.moving_leaves import MovingLeaves
from synvid_eval.generators.palette import PALETTES, Colors, Lab, Uniform, parsed
from synvid_eval.generators.pool import recipes
from synvid_eval.generators.shapes import Shapes
from tests.generators.stripes import stripes

__all__ = ["stripes"]

EARTH = "lab(l=45,a=3,b=6,l_std=22,a_std=8,b_std=12)"
LIST = "colors(of=203040+E0C8A0+E0C8A0)"

INSIDE = Lab(l=55, a=4, b=-6, l_std=8, a_std=5, b_std=6, la=0.4, lb=-0.3, ab=0.5)
"""A normal that is well inside the gamut."""


def draws(kind: palette.Palette, count: int, seed: int = 0) -> np.ndarray:
    key = randomness.address("test", seed, kind.name)
    return randomness.stream(key, count * kind.words).reshape(count, kind.words)


def fixed(lab: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(lab) * 2**palette.LAB).astype(np.int64)


def correlations(rows: np.ndarray) -> list[float]:
    return np.corrcoef(rows.T)[[0, 0, 1], [1, 2, 2]].tolist()


# --- the normal ---


def test_a_deviate_is_the_sum_of_twelve_uniforms_less_its_mean():
    words = np.array([[0] * 6, [2**64 - 1] * 6, [2**63] * 6, [2**31] * 6], np.uint64)
    most = 6 * (2**32 - 1)
    assert palette.deviates(words)[:, 0].tolist() == [-most, most, *[6 * 2**31 - most] * 2]
    pair = np.hstack([words[:1], words[1:2]])
    assert palette.deviates(pair).tolist() == [[-most, most]]
    single = np.zeros((1, 6), np.uint64)
    single[0, 3] = (5 << 32) + 7  # both halves of each draw count
    assert palette.deviates(single)[0, 0] == 12 - most


def test_deviates_are_standard_normal():
    count = 200_000
    kind = Lab()
    rows = palette.deviates(draws(kind, count)) / 2**32
    assert np.abs(rows.mean(0)).max() < 4 / count**0.5
    assert np.abs(rows.var(0) - 1).max() < 4 * (2 / count) ** 0.5
    assert np.abs(stats.kurtosis(rows, axis=0) + 0.1).max() < 4 * (24 / count) ** 0.5
    assert max(map(abs, correlations(rows))) < 4 / count**0.5
    assert stats.kstest(rows[:, 0], "norm").statistic < 0.005


def test_lab_has_the_mean_and_covariance_that_was_asked_for():
    count = 100_000
    made = INSIDE.lab(draws(INSIDE, count)) / 2**palette.LAB
    shown = rgb2lab(INSIDE.colors(draws(INSIDE, count))[None])[0]
    for rows, slack in ((made, 0.0), (shown, 0.02)):  # 8 bits add some 0.3² to each variance, unevenly
        stds = np.array([8, 5, 6])
        np.testing.assert_array_less(np.abs(rows.mean(0) - [55, 4, -6]), 4 * stds / count**0.5 + slack)
        np.testing.assert_array_less(np.abs(rows.std(0) / stds - 1), 4 * (0.5 / count) ** 0.5 + slack)
        np.testing.assert_allclose(correlations(rows), [0.4, -0.3, 0.5], atol=4 / count**0.5 + slack)


def test_the_factor_is_cholesky_s():
    _, factor = palette._normal(INSIDE)
    matrix = np.array([[1, 0.4, -0.3], [0.4, 1, 0.5], [-0.3, 0.5, 1]]) * np.outer([8, 5, 6], [8, 5, 6])
    np.testing.assert_allclose(factor / 2**20, np.linalg.cholesky(matrix), atol=2**-20)


def test_nothing_overflows_at_the_ends_of_the_ranges():
    ends = {"l": 100, "a": 128, "b": -128, "l_std": 100, "a_std": 100, "b_std": 100}
    for la, lb, ab in itertools.product((-0.95, 0, 0.95), repeat=3):
        if 1 + 2 * la * lb * ab - la**2 - lb**2 - ab**2 <= 0:
            continue
        kind = Lab(**ends, la=la, lb=lb, ab=ab)
        words = np.zeros((8, 18), np.uint64)
        for row, signs in enumerate(itertools.product((0, 2**64 - 1), repeat=3)):
            words[row] = np.repeat(np.array(signs, np.uint64), 6)
        mean, factor = palette._normal(kind)
        # object arrays hold Python's integers, which have no end
        exact = palette.deviates(words).astype(object) @ factor.T.astype(object) + mean.astype(object)
        lab = kind.lab(words)
        assert lab.tolist() == ((exact + 2**35) // 2**36).tolist()
        assert np.abs(lab).max() < 1200 << palette.LAB
        light = light_of(lab[:, None] / 2**palette.LAB)[:, 0]
        off = (kind.colors(words) > 0) != (light > 0.5 / 255 / 12.92)
        assert not off.any()


def test_what_clipping_does_is_what_the_docstring_says():
    count = 200_000
    neutral = Lab(l=50, a=0, b=0, l_std=12, a_std=8, b_std=8, la=0, lb=0, ab=0)
    for kind, share, mean, stds in (
        (neutral, 0.001, (50, 0, 0), (12, 8, 8)),
        (Lab(), 0.33, (57.6, 6.9, 3.6), (18.5, 38.3, 40.1)),
    ):
        lab = kind.lab(draws(kind, count)) / 2**palette.LAB
        light = light_of(lab)
        assert ((light < -1e-4) | (light > 1 + 1e-4)).any(-1).mean() == pytest.approx(share, abs=0.006)
        shown = rgb2lab(kind.colors(draws(kind, count))[None])[0]
        # the moments are those of the draws before, moved as the docstring says, so no sampling noise is left
        asked = np.array([getattr(kind, name) for name in ("l", "a", "b")])
        np.testing.assert_allclose(shown.mean(0) - lab.mean(0), np.array(mean) - asked, atol=0.06)
        asked = np.array([getattr(kind, f"{name}_std") for name in ("l", "a", "b")])
        np.testing.assert_allclose(shown.std(0) / lab.std(0), np.array(stds) / asked, atol=0.004)


def light_of(lab: np.ndarray) -> np.ndarray:
    """Linear light of L*, a*, b* [..., 3] in float64, negative X, Y, Z taken for 0."""
    f = np.stack([(lab[..., 0] + 16) / 116] * 3, -1)
    f[..., 0] += lab[..., 1] / 500
    f[..., 2] -= lab[..., 2] / 200
    xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * 108 / 841)
    light: np.ndarray = np.maximum(xyz, 0) @ np.linalg.inv(lab_feature._TO_XYZ).T
    return light


# --- L*a*b* to sRGB ---


def test_every_color_of_a_grid_comes_back():
    levels = [0, 1, 5, 9, 10, 11, 12, 20, 40, 64, 90, 128, 160, 192, 222, 254, 255]
    colors = np.array(list(itertools.product(levels, repeat=3)), np.uint8)
    np.testing.assert_array_equal(palette.srgb(fixed(rgb2lab(colors[None])[0])), colors)


def test_colors_are_scikit_image_s_within_a_level():
    lab = np.random.default_rng(1).normal([55, 5, 5], [30, 40, 40], (100_000, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of negative Z, which it takes for something else
        expected = np.rint(lab2rgb(lab[None])[0] * 255)
        real = (lab2xyz(lab[None])[0] >= 0).all(-1) & (lab[:, 0] / 116 + 16 / 116 > lab[:, 1] / 200)
    real &= (lab[:, 0] + 16) / 116 > lab[:, 2] / 200
    assert (
        real.mean() > 0.8 and (np.abs(expected[real] - 127.5) > 127).any(-1).mean() > 0.3
    )  # many are clipped
    got = palette.srgb(fixed(lab)).astype(int)
    assert np.abs(got - expected)[real].max() <= 1
    assert (got == expected)[real].mean() > 0.999


def test_there_is_no_negative_light():
    lab = [[-20, 0, 0], [-5, 30, -40], [0, 0, 0], [100, 0, 0], [150, 0, 0]]
    colors = palette.srgb(fixed(np.array(lab))).tolist()
    assert colors[0] == colors[2] == [0, 0, 0] and colors[3] == colors[4] == [255] * 3
    assert palette.srgb(fixed(np.array([[18.2, -16.6, 71.9]]))).tolist() == [
        np.rint(255 * encoded(light_of(np.array([18.2, -16.6, 71.9])))).tolist()
    ]


def encoded(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)


def test_the_constants_are_what_they_say():
    inverse = np.linalg.inv(lab_feature._TO_XYZ)
    np.testing.assert_array_equal(palette._TO_RGB, np.rint(inverse * 2**20))
    with mpmath.workdps(60):
        for k, step in enumerate(palette._steps().tolist(), 1):
            value = mpmath.mpf(2 * k - 1) / 510
            linear = value / mpmath.mpf("12.92")
            if value > mpmath.mpf("0.04045"):
                linear = ((value + mpmath.mpf("0.055")) / mpmath.mpf("1.055")) ** mpmath.mpf("2.4")
            assert step == int(mpmath.ceil(linear * 2**44))


def test_defaults_are_what_uniform_has():
    levels = np.arange(2, 255, 5, dtype=np.uint8)  # the middles of 51 equal parts of 0 … 254
    colors = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    rows, kind = rgb2lab(colors[None])[0], Lab()
    np.testing.assert_allclose(rows.mean(0), [kind.l, kind.a, kind.b], atol=0.06)
    np.testing.assert_allclose(rows.std(0), [kind.l_std, kind.a_std, kind.b_std], atol=0.06)
    np.testing.assert_allclose(correlations(rows), [kind.la, kind.lb, kind.ab], atol=0.006)


# --- bytes ---

# sha256 of the raw frames (uint8, C order) 0, 4, … 60 of clips 0 and 31,415 at seed 0, one after the other,
# of a preset with a palette. Made by: synvid_eval 0.1.0 (shapes 1, dead_leaves 2), numpy 2.4, numba 0.68,
# x86-64, with
#   PYTHONPATH=. python -c "from tests.generators.test_palette import golden; print(golden())"
# They hold on any machine.
GOLDEN = {
    ("moving_circles", EARTH): "42382dca24bd863338c36f68bb80697d84fc59f6d1f1c4925a446cf8103cd5cf",
    ("moving_circles", LIST): "24688d09120c752493384ae7d26ebf2afdbae17c12b914634c54ddd8dffc49be",
    ("dead_leaves", "lab"): "9453f1c244b5f4bd91f4ee353cfd07f356051c0b66c92cd1fb448eaead9e3ed2",
}


def digest(case: tuple[str, str]) -> str:
    name, text = case
    made = hashlib.sha256()
    for index in (0, 31_415):
        for frame in presets.get(name).configured(palette=text).draw(0, name, index, range(0, 64, 4)):
            made.update(frame.tobytes())
    return made.hexdigest()


def golden() -> list[str]:
    return [digest(case) for case in GOLDEN]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: "-".join(case))
def test_golden_bytes(case):
    assert digest(case) == GOLDEN[case]


def test_uniform_is_what_released_code_draws():
    words = draws(Uniform(), 1000)
    expected = np.array([[(int(w) >> 32) * 255 >> 32 for w in row] for row in words])
    np.testing.assert_array_equal(Uniform().colors(words), expected)
    assert Uniform().colors(np.full((1, 3), 2**64 - 1, np.uint64), 256).tolist() == [[255] * 3]


def test_all_palettes_are_exact_and_take_their_own_draws():
    for kind in PALETTES.values():
        assert kind.exact
        words = draws(kind(), 50)
        colors = kind().colors(words)
        assert colors.dtype == np.uint8 and colors.shape == (50, 3)
        alone = np.vstack([kind().colors(words[k, None]) for k in range(50)])
        np.testing.assert_array_equal(colors, alone)


def test_a_list_is_drawn_by_its_weights():
    kind = Colors("102030+a0B0c0+A0B0C0+FFFFFF")
    assert kind.rgb.tolist() == [[16, 32, 48], [160, 176, 192], [160, 176, 192], [255] * 3]
    colors, counts = np.unique(kind.colors(draws(kind, 40_000)), axis=0, return_counts=True)
    assert colors.tolist() == [[16, 32, 48], [160, 176, 192], [255] * 3]
    assert stats.chisquare(counts, [10_000, 20_000, 10_000]).pvalue > 1e-3


# --- in generators ---


@pytest.mark.parametrize("text", [EARTH, "colors(of=FF0000)"])
def test_a_palette_changes_colors_and_nothing_else(text):
    for background in ("black", "color"):
        plain, other = (Shapes(background=background, palette=p).scene(3, "p", 7) for p in ("uniform", text))
        for field in dataclasses.fields(plain):
            same = np.array_equal(getattr(plain, field.name), getattr(other, field.name))
            changed = field.name == "color" or (field.name == "background" and background == "color")
            assert same != changed, field.name
    red = Shapes(background="color", palette="colors(of=FF0000)").scene(3, "p", 7)
    assert (red.color == (255, 0, 0)).all() and red.background.tolist() == [255, 0, 0]


def test_an_object_s_color_is_its_own():
    few, many = (Shapes(objects=n, palette=EARTH).scene(0, "p", 1).color for n in (30, 500))
    np.testing.assert_array_equal(few, many[:30])
    assert len(np.unique(many, axis=0)) > 450
    for seed, preset, index in ((1, "p", 1), (0, "q", 1), (0, "p", 2)):
        assert (Shapes(objects=30, palette=EARTH).scene(seed, preset, index).color != few).any()


def test_other_generators_take_their_colors_from_it():
    two = "colors(of=FF0000+00FF00)"
    for name in ("dead_leaves", "fractal_dead_leaves", "octopus"):
        generator = presets.get(name).configured(palette=two, size="64")
        seen = np.vstack([next(generator.draw(0, name, i, [3])).reshape(-1, 3) for i in range(8)])
        wanted = {(255, 0, 0), (0, 255, 0)}
        # outlines of octopuses are differences of colors
        mixed = {(0, 0, 0), (255, 255, 0)} if name == "octopus" else {(0, 0, 0)}
        assert wanted <= set(map(tuple, seen.tolist())) <= wanted | mixed, name
    earth = MovingLeaves(palette=EARTH).scene(0, "m", 0)
    plain = MovingLeaves().scene(0, "m", 0)
    np.testing.assert_array_equal(earth.places, plain.places)
    assert earth.color.shape == plain.color.shape and (earth.color != plain.color).any()
    body = octopus.Octopus(palette=EARTH).scene(0, "o", 0).palette
    assert body.dtype == np.uint8 and body[0].tolist() == [0, 0, 0]


def test_textures_that_hide_all_colors_refuse_a_palette(stripes):
    knobs_ = {"textures": "stripes", "pool": 8}
    with pytest.raises(UsageError, match=r"shapes\.palette=colors\(of=FF0000\) means nothing where textures"):
        Shapes(**knobs_, palette="colors(of=FF0000)")
    saturated = [
        next(Shapes(**knobs_, saturate="clip", palette=p, size=64).draw(0, "t", 0, [0]))
        for p in ("colors(of=000000)", "colors(of=FF0000)")
    ]
    covered = saturated[0].any(-1)
    assert covered.any() and (saturated[1][covered][:, 0] == 255).all()
    np.testing.assert_array_equal(saturated[0][..., 1:], saturated[1][..., 1:])
    around = Shapes(**knobs_, background="color", palette="colors(of=FF0000)").scene(0, "t", 0)
    assert around.background.tolist() == [255, 0, 0]


@pytest.mark.parametrize("name", presets.names())
def test_identities_of_what_was_made_before_stay(name):
    generator = presets.get(name).configured()
    assert "palette" not in knobs.values(generator) or generator.palette == "uniform"
    if not presets.get(name).needs:
        assert "palette" not in generator.identity(0)


def test_identities_tell_of_a_palette():
    plain, other, same = (
        presets.get("moving_circles").configured(palette=text).identity(0)
        for text in ("uniform", EARTH, EARTH.replace("=45", "=45.0"))
    )
    assert other == same == {**plain, "palette": parsed(EARTH).spelled}
    assert presets.get("moving_circles").configured().identity(0) == plain
    assert "palette" not in textures.get("dead_leaves")().identity()


# --- texts ---


@pytest.mark.parametrize(
    ("texts", "spelled"),
    [
        (("uniform", " uniform ", "uniform()"), "uniform"),
        (
            ("lab(l=40,b=-0.0)", "lab( b = 0, l = 40.0 )", "lab(l=4e1,b=0)"),
            "lab(l=40.0,a=7.0,b=0.0,l_std=20.1,a_std=43.7,b_std=44.9,la=-0.55,lb=0.49,ab=-0.58)",
        ),
        (
            ("colors(of=0a0B0c+FFffFF)", "colors(of=0A0B0C FFFFFF)", "colors(of=0A0B0C + FFFFFF)"),
            "colors(of=0A0B0C+FFFFFF)",
        ),
    ],
)
def test_equal_palettes_have_one_text(texts, spelled):
    for text in texts:
        assert parsed(text).spelled == spelled
        assert Shapes(palette=text) == Shapes(palette=spelled)
    assert parsed(spelled).spelled == spelled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labb", "No palette is called 'labb'. Did you mean 'lab'?"),
        ("lab(lstd=3)", "lab has no knob 'lstd'. Did you mean 'l_std'?"),
        ("lab(l=101)", "lab.l=101.0 is out of range. Allowed: 0 to 100."),
        ("lab(l_std=0)", "lab.l_std=0.0 is out of range."),
        ("lab(l=nan)", "lab.l=nan is not a finite number."),
        ("lab(l=light)", "lab.l=light cannot be read. It takes a number."),
        ("lab(l=3,l=4)", "'l=4' is no knob=value, or there twice."),
        ("lab(l)", "'l' is no knob=value, or there twice."),
        ("lab(l=3", "palette=lab(l=3 cannot be read. It is NAME or NAME(knob=value,knob=value)"),
        ("lab+uniform", "palette=lab+uniform cannot be read."),
        ("lab(la=0.9,lb=0.9,ab=-0.9)", "lab: la=0.9, lb=0.9 and ab=-0.9 cannot be together"),
        ("lab(la=0.6,lb=0.8,ab=0)", "ab=0.48 always goes with these la and lb."),
        ("uniform(l=3)", "uniform has no knob 'l'."),
        ("colors(of=)", "colors.of: '' is no color. It is RRGGBB"),
        ("colors(of=12345)", "colors.of: '12345' is no color."),
        ("colors(of=#123456)", "colors.of: '#123456' is no color."),
        ("colors(of=123456+12345G)", "colors.of: '12345G' is no color."),
        (f"colors(of={'+'.join(['000000'] * 1025)})", "colors.of holds 1,025 colors. At most 1,024."),
        ("x" * 20_000, "palette is 20,000 characters long."),
    ],
)
def test_what_is_wrong_is_told(text, message):
    with pytest.raises(UsageError) as caught:
        presets.get("moving_circles").configured(palette=text)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_correlations_that_can_be_together_are_taken():
    assert Lab(la=0.6, lb=0.8, ab=0.48)
    with pytest.raises(UsageError):  # on the edge: one of the three would be a function of the others
        Lab(la=0.6, lb=0.8, ab=0.96 * 0.5 + 0.48)
    matrix = np.eye(3)
    for la, lb, ab in itertools.product((-0.9, -0.3, 0.5, 0.9), repeat=3):
        matrix[[0, 1, 0, 2, 1, 2], [1, 0, 2, 0, 2, 1]] = la, la, lb, lb, ab, ab
        least = np.linalg.eigvalsh(matrix)[0]
        assert abs(least) > 1e-6
        if least > 0:
            assert Lab(la=la, lb=lb, ab=ab)
        else:
            with pytest.raises(UsageError, match="not positive definite"):
                Lab(la=la, lb=lb, ab=ab)


def test_knobs_say_where_a_search_looks():
    found = {f.name: f.metadata for f in dataclasses.fields(Lab)}
    assert {name: meta["search"] for name, meta in found.items()} == {
        "l": (15, 85),
        "a": (-15, 15),
        "b": (-20, 30),
        "l_std": (3, 40),
        "a_std": (1, 60),
        "b_std": (1, 60),
        **dict.fromkeys(("la", "lb", "ab"), (-0.49, 0.49)),
    }
    for kind in PALETTES.values():
        for declared in dataclasses.fields(kind):
            meta = declared.metadata
            assert meta["source"].startswith("our choice") and meta["group"] == "color" and meta["help"]
            assert (meta["scale"] == "log") == declared.name.endswith("_std")
    declared = {f.name: f.metadata for f in dataclasses.fields(Shapes)}["palette"]
    assert declared["group"] == "color" and declared["source"] == "released code"


def test_a_preset_with_a_palette_is_resolved_to_its_knobs():
    found = presets.get("moving_circles")
    values = {v.knob: v for v in found.resolved({"palette": "lab(l=40)"})}
    assert values["palette"].shown == "lab" and values["palette"].value.startswith("lab(l=40.0,")
    lightness, spread = values["palette.lab.l"], values["palette.lab.l_std"]
    assert (lightness.value, lightness.setter, lightness.source) == (40, "you", "given")
    assert (spread.value, spread.setter, spread.unit, spread.scale) == (20.1, "default", "L*", "log")
    assert spread.source.startswith("our choice: what uniform has")
    assert [v.knob for v in found.resolved() if v.knob.startswith("palette")] == ["palette"]
    text = 'extends = "moving_circles"\nknobs.palette = "lab(l=40,a=2)"\nsources."palette.lab.a" = "a guess"'
    mine = presets.read(text, "m.toml", {"moving_circles": found}, stem="m")["m"]
    values = {v.knob: v for v in mine.resolved()}
    assert (values["palette.lab.l"].setter, values["palette.lab.l"].source) == ("m", "m.toml")
    assert values["palette.lab.a"].source == "a guess"
    assert mine.configured() == found.configured(palette="lab(l=40,a=2)")
    assert mine.note == "moving_circles with palette=lab(l=40,a=2)"


def test_the_texture_has_no_palette():
    """Brackets in brackets cannot be read, and texts of what was made before stay."""
    assert "palette" not in recipes("dead_leaves")[0].__dataclass_fields__


def test_a_search_begins_with_the_nearest_normal():
    assert Uniform().searched() == Lab()
    assert INSIDE.searched() is INSIDE
    drawn = INSIDE.colors(draws(INSIDE, 1000))
    near = Colors("+".join(bytes(color).hex() for color in drawn)).searched()
    rows = rgb2lab(drawn[None])[0]
    np.testing.assert_allclose([near.l, near.a, near.b], rows.mean(0), atol=0.006)
    np.testing.assert_allclose([near.l_std, near.a_std, near.b_std], rows.std(0), atol=0.006)
    np.testing.assert_allclose([near.la, near.lb, near.ab], correlations(rows), atol=0.006)


@pytest.mark.parametrize("of", ["FF0000", "000000+FFFFFF", "FF0000+0000FF", "FF0000+00FF00+0000FF+FF00FF"])
def test_a_search_can_begin_with_any_list(of):
    kind = Colors(of)
    near, rows = kind.searched(), rgb2lab(kind.rgb[None])[0]
    np.testing.assert_allclose([near.l, near.a, near.b], rows.mean(0), atol=0.006)
    stds = np.maximum(rows.std(0), 0.1)
    np.testing.assert_allclose([near.l_std, near.a_std, near.b_std], stds, atol=0.006)
    exact = np.cov(rows.T, ddof=0)[[0, 0, 1], [1, 2, 2]]
    told = np.array([near.la, near.lb, near.ab])
    assert (told * exact >= -1e-6).all()  # of the right sign, or 0


# --- of pixels ---


def picture(count: int = 20_000, seed: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    lab = rng.normal([45, 8, 12], [18, 6, 9], (count, 3))
    lab[: count // 5] = [70, 0, -20]  # a sky of one color
    return palette.srgb(fixed(lab))


def test_parts_are_of_one_size():
    two = np.array([[10, 20, 30]] * 30 + [[200, 100, 50]] * 10, np.uint8)
    assert Colors.of_pixels(two, 4).of == "0A141E+0A141E+0A141E+C86432"
    assert Colors.of_pixels(two[:1], 3).of == "0A141E+0A141E+0A141E"
    rng = np.random.default_rng(0)
    grays = np.repeat(rng.permutation(256).astype(np.uint8)[:, None], 3, 1)
    for seed in range(3):  # of each 32 of 256 grays one
        found = Colors.of_pixels(grays, 8, seed).rgb[:, 0]
        assert (found // 32).tolist() == list(range(8))


def test_colors_stand_for_the_pixels():
    pixels = picture()
    rows = rgb2lab(pixels[None])[0]
    known = set(map(tuple, pixels.tolist()))
    means, stds = [], []
    for seed in range(20):
        found = Colors.of_pixels(pixels, 64, seed)
        assert len(found.rgb) == 64 and set(map(tuple, found.rgb.tolist())) <= known
        sky = (found.rgb == pixels[0]).all(1).sum()
        assert 10 <= sky <= 15  # 12.8 of 64
        lab = rgb2lab(found.rgb[None])[0]
        means.append(lab.mean(0))
        stds.append(lab.std(0))
    # one palette is nearer than a plain sample of 64 would be (an eighth of the deviation), and on average
    # neither mean nor deviation is off: the variance within parts is not lost
    assert (np.std(means, axis=0) < 0.75 * rows.std(0) / 8).all()
    np.testing.assert_allclose(np.mean(means, 0), rows.mean(0), atol=0.25)
    np.testing.assert_allclose(np.mean(stds, 0), rows.std(0), rtol=0.03)


def test_a_palette_of_pixels_is_the_same_in_any_order():
    pixels = picture(3000)
    shuffled = np.random.default_rng(0).permutation(pixels)
    assert Colors.of_pixels(pixels, 100) == Colors.of_pixels(shuffled, 100)
    assert Colors.of_pixels(pixels, 100) == Colors.of_pixels(np.tile(pixels, (3, 1)), 100)
    assert Colors.of_pixels(pixels, 100, 1) != Colors.of_pixels(pixels, 100)
    assert parsed(Colors.of_pixels(pixels, 100).spelled) == Colors.of_pixels(pixels, 100)


@pytest.mark.parametrize(
    ("pixels", "count", "error"),
    [
        (np.zeros((0, 3), np.uint8), 4, ValueError),
        (np.zeros((4, 4, 3), np.uint8), 4, ValueError),
        (np.zeros((4, 3)), 4, ValueError),
        (np.zeros((4, 3), np.uint8), 0, UsageError),
        (np.zeros((4, 3), np.uint8), 1025, UsageError),
    ],
)
def test_pixels_that_are_none_are_told(pixels, count, error):
    with pytest.raises(error):
        Colors.of_pixels(pixels, count)


def test_volume_is_the_determinant():
    la, lb, ab = Fraction("0.3"), Fraction("-0.5"), Fraction("0.2")
    matrix = [[1, la, lb], [la, 1, ab], [lb, ab, 1]]
    assert float(palette._volume(la, lb, ab)) == pytest.approx(np.linalg.det(np.array(matrix, float)))
