"""The whole main job against a second, plain implementation of every default recipe, on real clips.

What stands here is written from the definitions with other means than the product's (skimage for L*a*b*, full
FFTs, loops, `eigvals` of a product), so that a wrong frame, crop, weight or estimator anywhere between file
and JSON shows.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage.color import rgb2lab

from synvid_eval.comparison import compare
from synvid_eval.measurement import Options
from tests.conftest import Run

N = 6


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]


def packets_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for p in container.demux(video=0) if p.size)


def key(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def splitmix(seed: int, count: int) -> list[int]:
    mask, out, state = 2**64 - 1, [], seed
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        out.append(z ^ (z >> 31))
    return out


def gray(frame: np.ndarray) -> np.ndarray:
    f = frame.astype(np.float64)
    return 0.299 * f[..., 0] + 0.587 * f[..., 1] + 0.114 * f[..., 2]


def square(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    s = min(h, w)
    return picture[(h - s) // 2 : (h - s) // 2 + s, (w - s) // 2 : (w - s) // 2 + s]


def small(frame: np.ndarray) -> np.ndarray:
    crop = square(gray(frame))
    how = cv2.INTER_AREA if crop.shape[0] >= 128 else cv2.INTER_LINEAR
    return cv2.resize(crop, (128, 128), interpolation=how)


def alpha(frame: np.ndarray) -> float:
    crop = square(gray(frame))
    s = crop.shape[0]
    hann = np.sin(np.pi * np.arange(s) / s) ** 2
    window = np.outer(hann, hann)
    amplitude = np.abs(np.fft.fft2((crop - crop.mean()) * window)) / np.sqrt((window**2).sum())
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(s), np.fft.fftfreq(s)))
    edges = np.geomspace(max(0.02, 4 / s), 0.25, 21)
    points = []
    for low, high in itertools.pairwise(edges):
        inside = (f >= low) & (f < high)
        if inside.any():
            points.append((np.log(f[inside].mean()), np.log(amplitude[inside].mean())))
    x, y = np.array(points).T
    return float(-np.polyfit(x, y, 1)[0])


def hog(picture: np.ndarray) -> np.ndarray:
    padded = np.pad(picture, 1, mode="reflect")
    smooth, slope = np.array([1, 2, 1]), np.array([-1, 0, 1])
    gx = sum(smooth[i] * slope[j] * padded[i : i + 128, j : j + 128] for i in range(3) for j in range(3))
    gy = sum(slope[i] * smooth[j] * padded[i : i + 128, j : j + 128] for i in range(3) for j in range(3))
    bins = (np.degrees(np.arctan2(gy, gx)) % 180 // 22.5).astype(int) % 8
    row = np.zeros((4, 4, 8))
    for y in range(4):
        for x in range(4):
            cell = slice(32 * y, 32 * y + 32), slice(32 * x, 32 * x + 32)
            row[y, x] = np.bincount(bins[cell].ravel(), np.hypot(gx, gy)[cell].ravel(), 8)
    return row.ravel() / np.linalg.norm(row)


def numbers(folder: Path, stride: int) -> dict[str, object]:
    """Every set-level quantity; frames weigh the same in color, clips in spectrum and motion."""
    means, seconds, alphas, motions, tubelets, hogs = [], [], [], [], [], []
    for path in sorted(folder.rglob("*.*")):
        clip = path.relative_to(folder).as_posix()
        frames = frames_of(path)
        total = min(packets_of(path), len(frames))
        looked = [(2 * i + 1) * total // 32 for i in range(16)] if total > 16 else list(range(total))
        for i in looked:
            lab = rgb2lab(frames[i]).reshape(-1, 3)
            means.append(lab.mean(0))
            seconds.append(lab.T @ lab / len(lab))
        alphas.append(np.mean([alpha(frames[i]) for i in looked]))
        start = key("run", 0, clip) * (total - 15 * stride) >> 64
        x = np.stack([small(frames[start + stride * i]) for i in range(16)])
        steps, spread = (np.diff(x, axis=0) ** 2).sum(), ((x - x.mean(0)) ** 2).sum()
        motions.append(steps / (2 * (spread + 15 * 128**2 * 4)))
        draws = splitmix(key("tubelet", 0, clip), 450)
        for t, y, z in zip(draws[0::3], draws[1::3], draws[2::3], strict=True):
            at = [(d >> 32) * bound >> 32 for d, bound in ((t, 15), (y, 121), (z, 121))]
            block = x[at[0] : at[0] + 2, at[1] : at[1] + 8, at[2] : at[2] + 8].ravel()
            if block.std() > 4:
                tubelets.append((block - block.mean()) / block.std())
        hogs += [hog(small(frames[looked[4 * j + 1]])) for j in range(4)]
    mean = np.mean(means, 0)
    eigenvalues = np.linalg.eigvalsh(np.cov(np.array(hogs).T))
    share = eigenvalues[eigenvalues > 0] / eigenvalues[eigenvalues > 0].sum()
    return {
        "lab": (mean, np.mean(seconds, 0) - np.outer(mean, mean)),
        "spectrum": float(np.mean(alphas)),
        "motion": float(np.mean(motions)),
        "tubelet": np.array(tubelets),
        "effective_rank": float(np.exp(-(share * np.log(share)).sum())),
    }


def kl(p: tuple[np.ndarray, np.ndarray], q: tuple[np.ndarray, np.ndarray]) -> float:
    (m, s), (n, t) = ((a, b + 0.01 * np.eye(3)) for a, b in (p, q))
    inverse = np.linalg.inv(t)
    ratio = np.linalg.slogdet(t)[1] - np.linalg.slogdet(s)[1]
    return float(0.5 * (np.trace(inverse @ s) + (n - m) @ inverse @ (n - m) - 3 + ratio))


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    s, t = np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(s @ t).astype(complex)).real.sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * root)


@pytest.fixture(scope="module")
def folders(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out = []
    for name, pattern in (("a", "weizmann/walk/*.avi"), ("b", "ucf101/Swing/*.avi")):
        folder = tmp_path_factory.mktemp("recipes") / name
        folder.mkdir()
        for path in sorted(test_data.glob(pattern))[:N]:
            (folder / path.name).symlink_to(path)
        out.append(folder)
    return out[0], out[1]


def test_all_default_scores_equal_a_plain_implementation(folders: tuple[Path, Path]) -> None:
    a, b = folders
    result = compare(
        [str(a)], str(b), settings=["motion.stride=1", "tubelet.stride=1"], options=Options(workers=2)
    )
    ours = {s.metric: s for s in result.scores}
    plain_a, plain_b = numbers(a, 1), numbers(b, 1)
    color = kl(plain_a["lab"], plain_b["lab"]) + kl(plain_b["lab"], plain_a["lab"])  # type: ignore[arg-type]
    assert ours["color"].value == pytest.approx(color, rel=1e-6)
    # rank: OpenCV's float rounding tilts exactly upright edges, which lie on the border of two angle bins
    for name, near in (("spectrum", 1e-6), ("motion", 1e-6), ("effective_rank", 2e-3)):
        assert ours[name].value == pytest.approx(plain_a[name], rel=near), name
        assert ours[name].detail["reference"] == pytest.approx(plain_b[name], rel=near), name
    tubelet = frechet(plain_a["tubelet"], plain_b["tubelet"])  # type: ignore[arg-type]
    assert ours["tubelet"].value == pytest.approx(tubelet, rel=1e-5)
    assert ours["tubelet"].detail["rows_candidate"] == len(plain_a["tubelet"])  # type: ignore[arg-type]


def test_both_doors_give_the_same_scores(folders: tuple[Path, Path], run_cli: Run, tmp_path: Path) -> None:
    a, b = folders
    done = run_cli("compare", a, b, "--json", "-", "-q")
    assert done.returncode == 0, done.stderr
    ours = json.loads(compare(str(a), str(b), options=Options(workers=1)).to_json())
    assert json.loads(done.stdout)["scores"] == ours["scores"]
