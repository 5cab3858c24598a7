"""The old content or the new, and nothing between."""

import errno

import pytest

from durable.real_disk import RealDisk
from durable.replace_file import replace_file


class Watched(RealDisk):
    """Notes the steps, and fails at one of them."""

    def __init__(self, failing=None):
        super().__init__()
        self.steps, self.failing = [], failing

    def step(self, name):
        self.steps.append(name)
        if name == self.failing:
            raise OSError(errno.EIO, "Input/output error")

    def open(self, path, mode="r"):
        file = super().open(path, mode)
        append, fsync_now = file.append, file.fsync_now
        file.append = lambda data: (self.step("write"), append(data))[1]
        file.fsync_now = lambda: (self.step("fsync"), fsync_now())[1]
        return file

    def rename(self, old, new):
        self.step("rename")
        super().rename(old, new)

    def fsync_dir(self, path):
        self.step("fsync folder")
        super().fsync_dir(path)


def test_each_step_guards_the_next(tmp_path):
    disk, path = Watched(), tmp_path / "f"
    path.write_bytes(b"old")
    replace_file(disk, str(path), b"new")
    assert path.read_bytes() == b"new"
    assert disk.steps == ["write", "fsync", "rename", "fsync folder"]


@pytest.mark.parametrize("failing", ["write", "fsync", "rename"])
def test_a_failure_leaves_the_old_one_and_nothing_else(tmp_path, failing):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with pytest.raises(OSError):
        replace_file(Watched(failing), str(path), b"new")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("f", b"old")]


def test_the_leftover_of_a_crash_is_overwritten(tmp_path):
    path = tmp_path / "f"
    (tmp_path / "temp-f").write_bytes(b"a long leftover")
    replace_file(RealDisk(), str(path), b"new", temporary="temp-f")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("f", b"new")]
