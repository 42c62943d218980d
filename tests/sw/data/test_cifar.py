"""CIFAR-10 from its archives: both versions, packed and unpacked, and nothing executed."""

import pickle

import numpy as np
import pytest

from sw.data import load_dataset

from .batches import NAMES, batch, binary, contents, pickled, write_archive

VERSIONS = [("cifar-10-python.tar.gz", pickled, ""), ("cifar-10-binary.tar.gz", binary, ".bin")]


def check(dataset):
    batches = [batch(seed) for seed in range(6)]
    assert dataset.name == "cifar10" and dataset.classes[0] == "airplane" and len(dataset.classes) == 10
    assert np.array_equal(
        dataset.train_images.reshape(20, -1), np.concatenate([part[0] for part in batches[:5]])
    )
    assert dataset.train_labels.tolist() == [label for part in batches[:5] for label in part[1]]
    assert dataset.test_images.shape == (4, 3, 32, 32) and dataset.test_labels.tolist() == batches[5][1]
    # Rows of red, then of green, then of blue.
    assert dataset.test_images[0, 1, 2, 3] == batches[5][0][0, 1024 + 2 * 32 + 3]


@pytest.mark.parametrize(("name", "encode", "suffix"), VERSIONS)
def test_both_versions_packed_and_unpacked(tmp_path, name, encode, suffix):
    files = contents(encode, suffix)
    check(load_dataset(write_archive(tmp_path / name, files)))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    check(load_dataset(folder))
    assert load_dataset(folder, size=16).shape == (3, 16, 16)


@pytest.mark.parametrize("protocol", range(6))
def test_batches_pickled_anew_are_read(tmp_path, protocol):
    """As someone may have done who moved the data set to Python 3."""

    def encode(pixels, labels):
        return pickle.dumps({b"data": pixels, b"labels": labels}, protocol=protocol)

    check(load_dataset(write_archive(tmp_path / "cifar.tar.gz", contents(encode, ""))))


def test_name_is_looked_for_in_two_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FARTHING_DATA", raising=False)
    with pytest.raises(
        ValueError, match=r"expected cifar-10-python\.tar\.gz or .*, in data, got neither"
    ) as caught:
        load_dataset("cifar10")
    assert "\n" not in str(caught.value)
    (tmp_path / "data").mkdir()
    write_archive(tmp_path / "data" / VERSIONS[0][0], contents(pickled, ""))
    check(load_dataset("cifar10"))
    monkeypatch.chdir(tmp_path / "data")
    monkeypatch.setenv("FARTHING_DATA", str(tmp_path / "data"))
    check(load_dataset("cifar10"))


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data_batch_2", pickle.dumps({b"data": Harmful()}), r"data_batch_2: .*builtins\.exec in it"),
        ("data_batch_2", pickle.dumps({b"data": np.zeros((2, 3072))}), "expected an array of u1"),
        (
            "data_batch_2",
            pickle.dumps({b"data": np.zeros((2, 7), np.uint8), b"labels": [1, 1]}),
            r"got \(2, 7\)",
        ),
        ("data_batch_2", pickle.dumps({b"data": 3}), "expected a batch of CIFAR-10, got KeyError"),
        ("data_batch_2", pickled(*batch(0))[:-9], "data_batch_2: expected a batch of CIFAR-10"),
        ("data_batch_2", pickled(batch(0)[0], [1, 2, 3]), "expected 4 labels from 0 to 9"),
        ("data_batch_2", pickled(batch(0)[0], [1, 2, 3, 10]), "expected 4 labels from 0 to 9"),
        ("test_batch", None, "expected the six batches of CIFAR-10, got none named test_batch"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, content, message):
    files = contents(pickled, "")
    files[name] = content
    files = {file: content for file, content in files.items() if content is not None}
    with pytest.raises(ValueError, match=message) as caught:
        load_dataset(write_archive(tmp_path / "cifar.tar.gz", files))
    assert "\n" not in str(caught.value)


def test_records_cut_short_are_refused(tmp_path):
    files = contents(binary, ".bin")
    files["data_batch_3.bin"] = files["data_batch_3.bin"][:-1]
    with pytest.raises(ValueError, match=r"data_batch_3\.bin: expected records of 3073 bytes, got 12291"):
        load_dataset(write_archive(tmp_path / "cifar.tar.gz", files))


@pytest.mark.parametrize("cut", [100, 0.5])
def test_a_broken_archive_is_named(tmp_path, cut):
    path = write_archive(tmp_path / "cifar.tar.gz", contents(binary, ".bin"))
    content = path.read_bytes()
    path.write_bytes(content[: cut if cut > 1 else int(len(content) * cut)])
    with pytest.raises(
        ValueError, match=r"cifar\.tar\.gz: expected an archive of CIFAR-10, got a broken file"
    ):
        load_dataset(path)


def test_helper_writes_what_python_reads():
    table = pickle.loads(pickled(*batch(0)).replace(b"K\x00K\x01tR", b"\x89\x88tR"), encoding="bytes")
    assert np.array_equal(table[b"data"], batch(0)[0]) and table[b"labels"] == batch(0)[1]
    assert len(NAMES) == 6
