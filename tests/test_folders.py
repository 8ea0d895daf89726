"""Folders that only this user can change, and where there are some."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from spikehead.folders import default_cache_folder, is_private, temporary_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes, as POSIX has them")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"spikehead-{os.geteuid()}"


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "mine"))
    assert default_cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("SPIKEHEAD_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "spikehead"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path.home() / ".cache" / "spikehead"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_cache_folder() == Path.home() / "Library" / "Caches" / "spikehead"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert default_cache_folder() == tmp_path / "spikehead"


def test_a_user_without_a_home_has_a_temporary_folder(monkeypatch, temporary):
    def homeless(_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SPIKEHEAD_CACHE", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert default_cache_folder() == temporary
    assert temporary.stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_that_somebody_else_can_change_is_refused(temporary):
    assert temporary_folder() == temporary_folder() == temporary
    temporary.chmod(0o770)
    with pytest.raises(OSError, match=r"^/.* belongs to somebody else: name a folder of your own"):
        temporary_folder()


def test_private_is_what_nobody_else_can_change_or_exchange(tmp_path):
    folder = tmp_path / "above" / "own"
    folder.mkdir(0o700, parents=True)
    assert is_private(folder)
    for mode, private in ((0o755, True), (0o775, False), (0o707, False), (0o700, True)):
        folder.chmod(mode)
        assert is_private(folder) is private
    for mode, private in ((0o777, False), (0o1777, True), (0o775, True)):
        folder.parent.chmod(mode)
        assert is_private(folder) is private
    (tmp_path / "link").symlink_to(folder)
    assert not is_private(tmp_path / "link")
    (tmp_path / "file").touch(0o600)
    assert not is_private(tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives folders away")
def test_what_is_of_another_user_is_not_private(tmp_path):
    folder = tmp_path / "above" / "own"
    folder.mkdir(0o700, parents=True)
    for other in (folder, folder.parent):
        os.chown(other, 12345, 12345)
        assert not is_private(folder)
        os.chown(other, 0, 0)
    assert is_private(folder)
