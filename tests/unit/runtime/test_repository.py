import pytest

from dhel_kcl.runtime.repository import ELSEWHERE, GitError, git
from tests import pipeline


@pytest.fixture
def repository(tmp_path):
    pipeline.git(tmp_path, "init", "--quiet", str(tmp_path / "mine"))
    (tmp_path / "mine/file").write_text("±", encoding="utf-8")
    pipeline.git(tmp_path / "mine", "add", "file")
    pipeline.git(tmp_path / "mine", "commit", "--quiet", "--message", "mine")
    return tmp_path / "mine"


def test_the_repository_asked_is_the_folders_whatever_a_hook_exports(repository, monkeypatch):
    for name in ELSEWHERE:
        monkeypatch.setenv(name, "/nowhere")
    assert git(repository, "ls-files") == "file\n"
    assert git(repository, "show", "HEAD:file") == "±"


def test_a_refusal_is_in_gits_words(repository, tmp_path, monkeypatch):
    with pytest.raises(GitError, match="not a git repository") as refused:
        git(tmp_path, "status")
    assert refused.value.no_repository
    with pytest.raises(GitError, match="path 'other' does not exist in 'HEAD'") as refused:
        git(repository, "show", "HEAD:other")
    assert not refused.value.no_repository
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git is not installed"):
        git(repository, "status")
