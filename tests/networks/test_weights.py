"""Finding and verifying weights, and reading them without running anything."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from synvid_eval.errors import UsageError, WeightsError
from synvid_eval.networks import weights
from synvid_eval.networks.weights import FILES, MissingWeights, locate, matched, parse, state_dict
from tests.networks.server import CONTENT, WRONG, blob_entry, entry

TABLE = (entry(name="inception"), entry(content=CONTENT[:5000], name="i3d"))


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    monkeypatch.setattr(weights, "default_folder", lambda: tmp_path / "default")
    monkeypatch.chdir(tmp_path)


def put(path: Path, data: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_the_table_says_for_every_file_how_it_is_verified_and_several_places() -> None:
    assert [f.name for f in FILES] == ["inception", "i3d", "i3d-videogpt"]
    assert len({f.file for f in FILES}) == len(FILES)
    for one in FILES:
        assert len(one.addresses) >= 2
        assert all(a.startswith("https://") for a in one.addresses)
        assert len(one.sha256) in (0, 64) and len(one.git_blob) in (0, 40)
        assert one.sha256 or one.git_blob
    # torch.hub's habit: the name ends in the first digits of the hash
    assert FILES[0].file == f"pt_inception-2015-12-05-{FILES[0].sha256[:8]}.pth"
    with pytest.raises(ValueError, match="cannot be verified"):
        weights.WeightsFile("x", "x", "x", "state dict", 1, "", "", (), "")


def test_hashes_are_those_of_the_usual_tools(tmp_path: Path) -> None:
    file = put(tmp_path / "x")
    sha256 = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True).stdout.split()[0]
    blob = subprocess.run(["git", "hash-object", file], capture_output=True, text=True, check=True).stdout
    assert weights.hashes(file) == (len(CONTENT), sha256, blob.strip())


def test_a_remembered_hash_is_forgotten_when_the_file_changes(tmp_path: Path) -> None:
    file = put(tmp_path / "x")
    first = weights.digest(file)
    assert weights.digest(file) is first
    file.write_bytes(WRONG)
    os.utime(file, ns=(1, 1))
    assert weights.digest(file).sha256 == hashlib.sha256(WRONG).hexdigest()


@pytest.mark.parametrize("make", [entry, blob_entry])
def test_a_folder_gives_its_verified_file(tmp_path: Path, make) -> None:
    file, table = put(tmp_path / "w" / "inception.pth"), (make(),)
    found = locate("inception", str(tmp_path / "w"), files=table)
    assert found == (file, f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", "inception")


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = put(tmp_path / "default" / "inception.pth")
    assert locate("inception", files=TABLE).file == default
    of_variable = put(tmp_path / "variable" / "inception.pth")
    monkeypatch.setenv(weights.VARIABLE, str(of_variable.parent))
    assert locate("inception", files=TABLE).file == of_variable
    given = put(tmp_path / "given" / "inception.pth")
    assert locate("inception", str(given.parent), files=TABLE).file == given
    assert locate("inception", f"inception={given}", files=TABLE).file == given
    # a file for another network leaves this one where it was; a folder without it does not
    other = put(tmp_path / "i.pt", CONTENT[:5000])
    assert locate("inception", f"i3d={other}", files=TABLE).file == of_variable
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingWeights, match="empty"):
        locate("inception", str(tmp_path / "empty"), files=TABLE)
    monkeypatch.setenv(weights.VARIABLE, f"{default.parent},i3d={other}")
    assert locate("inception", files=TABLE).file == default
    assert locate("i3d", files=TABLE).file == other


def test_which_of_several_files_of_one_network(tmp_path: Path) -> None:
    from dataclasses import replace

    second = replace(entry(content=CONTENT[:6000], name="i3d-videogpt"), network="i3d")
    table = (*TABLE, second)
    first_file = put(tmp_path / "default" / "i3d.pth", CONTENT[:5000])
    with pytest.raises(MissingWeights, match=r"i3d-videogpt\.pth"):
        locate("i3d", wanted="i3d-videogpt", files=table)
    second_file = put(tmp_path / "default" / "i3d-videogpt.pth", CONTENT[:6000])
    assert locate("i3d", files=table).file == first_file
    assert locate("i3d", wanted="i3d-videogpt", files=table).file == second_file
    # what is named for the network is taken, whatever is wanted; what is named as another file is not
    assert locate("i3d", f"i3d={first_file}", "i3d-videogpt", table).name == "i3d"
    assert locate("i3d", f"i3d={first_file},i3d-videogpt={second_file}", "i3d", table).name == "i3d"
    assert locate("i3d", f"i3d-videogpt={second_file}", "i3d", table).file == first_file
    with pytest.raises(UsageError):
        locate("inception", wanted="i3d", files=table)


def test_a_missing_file_says_everything_that_helps(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        locate("inception")
    one, said = FILES[0], str(caught.value)
    assert caught.value.code == 4
    parts = (one.file, "95,628,359 bytes", one.sha256, *one.addresses, str(tmp_path / "default"))
    for part in (*parts, "synvid-eval weights fetch inception", "--weights inception=FILE"):
        assert part in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (CONTENT[:1234], "cut short: 1,234 of 300,001 bytes"),
        (CONTENT + b"x", "another file: 300,002 bytes in place of 300,001"),
        (WRONG, hashlib.sha256(WRONG).hexdigest()),
        (b"<html>", "cut short: 6 of"),
    ],
)
def test_a_wrong_file_is_never_used(tmp_path: Path, data: bytes, said: str) -> None:
    file = put(tmp_path / "default" / "inception.pth", data)
    for given in (None, f"inception={file}"):
        with pytest.raises(WeightsError, match=said) as caught:
            locate("inception", given, files=TABLE)
        assert not isinstance(caught.value, MissingWeights)
        assert "weights fetch inception" in caught.value.hint


def test_a_named_file_of_unknown_hash_is_used_and_told_apart(tmp_path: Path) -> None:
    file = put(tmp_path / "mine.pth", WRONG)
    found = locate("inception", f"inception={file}", files=TABLE)
    assert found == (file, f"sha256:{hashlib.sha256(WRONG).hexdigest()}", None)
    with pytest.raises(MissingWeights):  # a folder gives known files only
        locate("inception", str(tmp_path), files=TABLE)


def test_a_known_file_under_any_name_is_recognized(tmp_path: Path) -> None:
    file = put(tmp_path / "renamed.bin")
    assert locate("inception", f"inception={file}", files=TABLE).name == "inception"
    assert locate("inception", str(file), files=TABLE).name == "inception"
    with pytest.raises(WeightsError, match="of another network"):
        locate("i3d", f"i3d={file}", files=TABLE)
    put(tmp_path / "mine", WRONG)
    with pytest.raises(UsageError, match=f"inception={tmp_path / 'mine'}"):
        locate("inception", str(tmp_path / "mine"), files=TABLE)


def test_the_fetch_that_is_named_goes_where_is_looked(tmp_path: Path) -> None:
    file = put(tmp_path / "i.pt", CONTENT[:5000])
    for given, where in (
        (str(tmp_path / "a b"), f" --weights '{tmp_path / 'a b'}'"),
        (f"{tmp_path / 'w'},i3d={file}", f" --weights {tmp_path / 'w'}"),
        (f"i3d={file}", " (or put"),
    ):
        with pytest.raises(MissingWeights) as caught:
            locate("inception", given, files=TABLE)
        assert f"Run: synvid-eval weights fetch inception{where}" in caught.value.hint
    put(tmp_path / "w" / "inception.pth", WRONG)
    with pytest.raises(WeightsError, match="Remove it, then run: ") as caught:
        locate("inception", str(tmp_path / "w"), files=TABLE)
    assert caught.value.hint.endswith(f"weights fetch inception --weights {tmp_path / 'w'}")


def test_a_file_of_the_users_own_is_not_said_to_be_removed(tmp_path: Path) -> None:
    from dataclasses import replace

    second = replace(entry(content=CONTENT[:6000], name="i3d-videogpt"), network="i3d")
    table, own = (*TABLE, second), put(tmp_path / "mine" / "my own.pt", WRONG)
    with pytest.raises(WeightsError) as caught:
        locate("i3d", f"i3d-videogpt={own}", "i3d-videogpt", table)
    assert caught.value.hint == f"Give it as --weights 'i3d={own}' to use weights of your own."
    assert locate("i3d", f"i3d={own}", "i3d-videogpt", table).name is None  # it cures
    known = put(tmp_path / "mine" / "inception.pth", WRONG)
    with pytest.raises(WeightsError) as caught:
        locate("inception", f"inception={known}", files=table)
    hint = caught.value.hint
    assert "Remove" not in hint and f"Leave inception={known} away" in hint and "rename it" in hint
    kept = put(tmp_path / "default" / "inception.pth", WRONG)
    with pytest.raises(WeightsError, match="Remove it, then run"):
        locate("inception", f"inception={kept}", files=table)


def test_a_program_of_unknown_hash_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "program.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("program/constants.pkl", b"")
        archive.writestr("program/code/__torch__.py", b"")
    with pytest.raises(WeightsError, match="TorchScript program of unknown hash"):
        locate("i3d", f"i3d={file}", files=TABLE)
    torch.save({"a": torch.zeros(1)}, tmp_path / "state.pth")
    assert locate("i3d", f"i3d={tmp_path / 'state.pth'}", files=TABLE).name is None


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ("incepton=x", UsageError, "Did you mean 'inception'"),
        ("inception=", UsageError, "names nothing"),
        ("i3d=a,i3d=b", UsageError, "twice"),
        ("a,b/,x=y", UsageError, "'x'"),
        (" ", UsageError, "names nothing"),
        ("inception=nowhere.pth", WeightsError, "The weights file nowhere.pth does not exist"),
        ("inception=.", WeightsError, "is a folder"),
        ("nowhere", MissingWeights, "not in nowhere, which does not exist."),
        ("/dev/null", MissingWeights, "not in /dev/null, which is no folder."),
        ("/dev/null/x", MissingWeights, "not in /dev/null/x, which does not exist."),
        ("x" * 5000, WeightsError, "cannot be read: File name too long"),
        ("inception=/dev/null", WeightsError, "is no file"),
    ],
)
def test_what_makes_no_sense(given: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        locate("inception", given, files=TABLE)
    assert said in str(caught.value)


def test_a_folder_that_is_there_is_not_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"is not in \.\.") as caught:
        locate("inception", ".", files=TABLE)
    assert "exist" not in str(caught.value)


def test_a_misspelt_network_is_answered_with_each_name_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Known: i3d, i3d-videogpt, inception\.") as caught:
        parse("inceptio=x")
    assert "Did you mean 'inception'?" in caught.value.hint


def test_what_the_default_metrics_need_is_the_default() -> None:
    from synvid_eval.features.i3d import I3D
    from synvid_eval.features.inception import Inception

    assert [f.name for f in weights.defaults()] == [Inception().wanted_weights(), I3D().wanted_weights()]


def test_files_and_folders_with_odd_names(tmp_path: Path) -> None:
    odd = put(tmp_path / "a=b, c" / "inception.pth")
    assert parse("a=b, c").folder == Path("a=b, c")
    assert locate("inception", "a=b, c", files=TABLE).file.samefile(odd)
    assert parse("inception=a=b, c/x,i3d=y").named == {"inception": Path("a=b, c/x"), "i3d": Path("y")}
    assert parse("~/w").folder == Path.home() / "w"


def test_an_unknown_name_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="Known: i3d, i3d-videogpt, inception"):
        weights.known("vgg")
    with pytest.raises(UsageError, match="vgg"):
        locate("vgg")


def test_what_was_verified_is_what_is_read(tmp_path: Path) -> None:
    file = put(tmp_path / "x")
    identity = weights.digest(file).identity
    assert weights.read(file, identity) == CONTENT
    facts = file.stat()
    file.write_bytes(WRONG)  # exchanged, with size and time as they were
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert weights.digest(file).identity == identity
    with pytest.raises(WeightsError, match="not what it was"):
        weights.read(file, identity)
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.read(tmp_path / "none", identity)


def saved(tensors: object, **options: object) -> bytes:
    out = io.BytesIO()
    torch.save(tensors, out, **options)
    return out.getvalue()


STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.float64)}


@pytest.mark.parametrize(
    "data", [saved(STATE), saved(STATE, _use_new_zipfile_serialization=False), save(STATE)]
)
def test_state_dicts_in_all_formats(data: bytes) -> None:
    found = state_dict(data, "x")
    assert {n: t.tolist() for n, t in found.items()} == {n: t.tolist() for n, t in STATE.items()}


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("new", [True, False])
def test_reading_runs_no_code(tmp_path: Path, new: bool) -> None:
    data = saved({"a": Evil(str(tmp_path / "made"))}, _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match="cannot be read as a state dict: it holds more than tensors"):
        state_dict(data, "x")
    assert not (tmp_path / "made").exists()
    # the test of the test: it is evil indeed
    torch.load(io.BytesIO(data), weights_only=False)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_plain_pickle_is_not_run_and_said_to_be_one(tmp_path: Path, protocol: int) -> None:
    import pickle  # noqa: TID251

    data = pickle.dumps({"a": Evil(str(tmp_path / "made"))}, protocol=protocol)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch's own request to report it to torch is not passed on
        with pytest.raises(WeightsError, match="is not run") as caught:
            state_dict(data, "x")
    assert "were cut short" not in caught.value.message and not (tmp_path / "made").exists()
    if protocol > 3:
        assert "it is a plain pickle, as pickle.dump writes it" in caught.value.message


def test_torchs_older_format_cut_short_is_no_plain_pickle() -> None:
    data = saved(STATE, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match="were cut short"):
        state_dict(data[:-40], "x")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>sign in</html>",
        CONTENT,
        saved(STATE)[:-100],
        save(STATE)[:-3],
        saved([1, 2]),
        saved({"model": STATE}),
        saved({"a": 3}),
    ],
)
def test_what_is_no_state_dict(data: bytes) -> None:
    with pytest.raises(WeightsError, match="state dict") as caught:
        state_dict(data, "the file")
    assert caught.value.code == 4 and "the file" in caught.value.message
    assert "\n" not in str(caught.value)
    for inner in ("torch.load", "weights_only", "Unpickl", "operand", "PyTorch", "Header"):
        assert inner not in caught.value.message  # our own words, not the library's


SHAPES = {"a.weight": (2, 3), "a.bias": (2,), "a.num_batches_tracked": ()}


def test_tensors_are_matched_by_name_and_shape() -> None:
    found = matched(STATE, SHAPES, "x")
    assert list(found) == ["a.weight", "a.bias"]
    assert all(t.dtype == torch.float32 for t in found.values())
    tracked = {**STATE, "a.num_batches_tracked": torch.tensor(3)}
    assert list(matched(tracked, SHAPES, "x")) == ["a.weight", "a.bias"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"a.bias": None}, "lacks a.bias"),
        ({"b.bias": torch.ones(2)}, "holds the unknown b.bias"),
        ({"b.num_batches_tracked": torch.tensor(1)}, "holds the unknown b.num_batches_tracked"),
        ({"num_batches_tracked": torch.tensor(1)}, "holds the unknown num_batches_tracked"),
        ({"a.bias": torch.ones(3)}, r"other shapes: a.bias \[3\] for \[2\]"),
        ({"a.bias": torch.ones(2, dtype=torch.int64)}, "no floats in a.bias"),
        ({"a.bias": torch.tensor([1.0, float("nan")])}, "NaN or infinite values in a.bias"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, torch.Tensor | None], said: str) -> None:
    state = {n: t for n, t in {**STATE, **change}.items() if t is not None}
    with pytest.raises(WeightsError, match=said):
        matched(state, SHAPES, "x")


def test_many_wrong_names_are_cut() -> None:
    with pytest.raises(WeightsError, match="and 7 more") as caught:
        matched({}, {f"t{i}": (1,) for i in range(10)}, "x")
    assert len(str(caught.value)) < 200
