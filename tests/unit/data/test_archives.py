import gzip
import io
import os
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dhel_kcl.data.archives import read_bounded, unpacked
from tests.unit.data.damage import mutated, mutations

CONTENT = bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def member(name, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, io.BytesIO(content)


GOOD = [member("top", type=tarfile.DIRTYPE), member("top/one", b"1" * 1000), member("top/two", b"2" * 700)]


def tarball(members=GOOD, format=tarfile.GNU_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for info, content in members:
            content.seek(0)
            tar.addfile(info, content)
    return buffer.getvalue()


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_plain_files_are_unpacked_and_the_folder_goes_away(here):
    archive = here / "good.tar.gz"
    for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        archive.write_bytes(gzip.compress(tarball(format=format)))
        with unpacked(archive, 2000) as folder:
            assert files_of(folder) == {"top/one": b"1" * 1000, "top/two": b"2" * 700}
        assert not folder.exists()


@pytest.mark.parametrize(
    ("evil", "message"),
    [
        (member("../evil", b"x"), "outside the destination"),
        (member("top/../../evil", b"x"), "outside the destination"),
        (member("/../evil", b"x"), "outside the destination"),
        (member("top/evil", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "its member 'top/evil' is a link"),
        (member("top/evil", type=tarfile.SYMTYPE, linkname="one"), "its member 'top/evil' is a link"),
        (member("top/evil", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "its member 'top/evil' is a link"),
        (member("top/evil", type=tarfile.LNKTYPE, linkname="top/one"), "its member 'top/evil' is a link"),
        (member("top/evil", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "is a special file"),
        (member("top/evil", type=tarfile.BLKTYPE), "is a special file"),
        (member("top/evil", type=tarfile.FIFOTYPE), "is a special file"),
    ],
)
def test_members_that_could_do_harm_are_refused(here, evil, message):
    archive = here / "evil.tar.gz"
    archive.write_bytes(gzip.compress(tarball([*GOOD, evil])))
    before = set(here.rglob("*"))
    with pytest.raises(ValueError, match=rf"cannot be read: .*{message}") as error, unpacked(archive, 5000):
        pass
    assert str(archive) in str(error.value)
    assert set(here.rglob("*")) - before <= {here / "scratch", here / "scratch/downloads"}


@pytest.mark.parametrize("name", ["/evil", "//evil", "/top/../evil"])
def test_absolute_names_stay_below_the_folder(here, name):
    archive = here / "absolute.tar.gz"
    archive.write_bytes(gzip.compress(tarball([*GOOD, member(name, b"x")])))
    before = set(here.rglob("*"))
    with unpacked(archive, 5000) as folder:
        assert files_of(folder) == {"top/one": b"1" * 1000, "top/two": b"2" * 700, "evil": b"x"}
    assert set(here.rglob("*")) - before <= {here / "scratch", here / "scratch/downloads"}


def chain_of_links():
    """CVE-2025-4517: a path too long for the system to resolve, which the data filter then takes for one inside."""
    folder, steps, members = "", "abcdefghijklmnop", []
    for step in steps:
        members.append(member(f"{folder}{'d' * 247}", type=tarfile.DIRTYPE))
        members.append(member(f"{folder}{step}", type=tarfile.SYMTYPE, linkname="d" * 247))
        folder += f"{'d' * 247}/"
    up = f"{'/'.join(steps)}/{'l' * 254}"
    members.append(member(up, type=tarfile.SYMTYPE, linkname="../" * len(steps)))
    members.append(member("out", type=tarfile.SYMTYPE, linkname=f"{up}/../../../"))
    members.append(member("evil", type=tarfile.LNKTYPE, linkname="out/mine"))
    return [*members, member("evil", b"evil")]


def test_no_chain_of_links_leads_out(here):
    (here / "mine").write_bytes(b"mine")
    archive = here / "evil.tar.gz"
    archive.write_bytes(gzip.compress(tarball(chain_of_links())))
    with pytest.raises(ValueError, match=r"evil\.tar\.gz cannot be read: .*is a link"), unpacked(archive, 5000):
        pass
    assert (here / "mine").read_bytes() == b"mine"


def test_files_are_plain_and_the_users_own(here):
    archive = here / "modes.tar.gz"
    archive.write_bytes(gzip.compress(tarball([member("one", b"1", mode=0o7777, uid=0, gid=0, uname="root")])))
    with unpacked(archive, 5000) as folder:
        status = (folder / "one").stat()
        assert status.st_mode & 0o7022 == 0
        assert (status.st_uid, status.st_gid) == (folder.stat().st_uid, folder.stat().st_gid)


def sparse():
    """A file that would unpack to 1 TB of zeros, in the layout of GNU tar's old sparse format."""
    header = bytearray(member("top/evil")[0].tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:410] = (b"0" * 11 + b"\0") * 2  # one stretch of data: at 0, 0 bytes long
    header[483:495] = b"%011o\0" % min(10**12, 8**11 - 1)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(20 * 512)


@pytest.mark.parametrize(
    "content",
    [
        lambda: tarball([member("top/bomb", bytes(50_000_000))]),
        lambda: tarball([member("top/bomb", bytes(10_000))]),
        lambda: tarball([member(f"top/{k}", bytes(1_000_000)) for k in range(20)]),
        lambda: tarball([member("top/x", pax_headers={"comment": "0" * 50_000_000})], tarfile.PAX_FORMAT),
        lambda: tarball([member("0" * 50_000_000)]),
        lambda: tarball([member(f"top/{k}") for k in range(101)]),
        sparse,
    ],
    ids=["one file", "one byte more than allowed", "many files", "pax header", "long name", "many members", "sparse"],
)
def test_bombs_are_refused(here, content):
    archive = here / "bomb.tar.gz"
    archive.write_bytes(gzip.compress(content(), 1))
    message = "holds more than|has more than 100 members"
    with (
        pytest.raises(ValueError, match=rf"bomb\.tar\.gz cannot be read: it.*({message})"),
        unpacked(archive, 9999),
    ):
        pass
    assert not (here / "scratch/downloads/bomb.tar.gz.unpacked").exists()


def test_what_a_killed_unpacking_left_is_cleared(here):
    archive = here / "good.tar.gz"
    archive.write_bytes(gzip.compress(tarball()))
    left = here / "scratch/downloads/good.tar.gz.unpacked/top/three"
    left.parent.mkdir(parents=True)
    left.touch()
    with unpacked(archive, 2000) as folder:
        assert set(files_of(folder)) == {"top/one", "top/two"}


DAMAGED = [b"", b"no archive", gzip.compress(b"no tar", mtime=0), gzip.compress(tarball(), mtime=0)[:-200]]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_archives_are_named(here, content):
    archive = here / "damaged.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged\.tar\.gz cannot be read: ."), unpacked(archive, 5000):
        pass


def test_a_small_file_is_read_up_to_its_limit(here):
    for name, content in (("plain", CONTENT), ("packed.gz", gzip.compress(CONTENT))):
        (here / name).write_bytes(content)
        assert read_bounded(here / name, len(CONTENT)) == CONTENT
        with pytest.raises(ValueError, match=f"{name} cannot be read: it holds more than 102399 bytes"):
            read_bounded(here / name, len(CONTENT) - 1)
    (here / "damaged.gz").write_bytes(gzip.compress(CONTENT)[:-20])
    with pytest.raises(ValueError, match=r"damaged\.gz cannot be read"):
        read_bounded(here / "damaged.gz", len(CONTENT))


def unpack_damaged(here, changes, keep, outer, random):
    """Damage in the compressed stream or to it, or random bytes: success within bounds, or an error with a name."""
    error = None
    tar = random if random is not None else tarball()
    content = mutated(gzip.compress(tar), changes, keep) if outer else gzip.compress(mutated(tar, changes, keep))
    archive = here / "fuzzed.tar.gz"
    archive.write_bytes(content)
    before = {path for path in here.rglob("*") if "scratch" not in path.parts}
    try:
        with unpacked(archive, 4000) as folder:
            assert sum(map(len, files_of(folder).values())) <= 4000
            assert not any(path.is_symlink() for path in folder.rglob("*"))
    except (ValueError, OSError) as raised:
        error = raised
    assert error is None or "fuzzed.tar.gz" in str(error)
    assert {path for path in here.rglob("*") if "scratch" not in path.parts} == before
    assert os.listdir(here / "scratch/downloads") == []


fuzz = given(
    changes=mutations,
    keep=st.sampled_from([1.0, 1.0, 0.7, 0.2]),
    outer=st.booleans(),
    random=st.none() | st.binary(max_size=2000),
)
per_test_folder = [HealthCheck.function_scoped_fixture]


@settings(max_examples=300, deadline=None, suppress_health_check=per_test_folder)
@fuzz
def test_no_archive_ends_in_another_exception(here, changes, keep, outer, random):
    unpack_damaged(here, changes, keep, outer, random)


@pytest.mark.torture
@settings(max_examples=10_000, deadline=None, suppress_health_check=per_test_folder)
@fuzz
def test_ten_thousand_archives_end_in_no_other_exception(here, changes, keep, outer, random):
    unpack_damaged(here, changes, keep, outer, random)


KINDS = [tarfile.REGTYPE] * 3 + [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
names = st.lists(st.sampled_from(["a", "b", "..", ".", "", "mine", "../../.."]), min_size=1, max_size=4).map("/".join)
members = st.lists(st.tuples(st.sampled_from(KINDS), names, names, st.sampled_from([0, 0o644, 0o7777])), max_size=5)


def unpack_packed(here, packed):
    """Any names, links and modes: what lies outside the folder stays as it is."""
    (here / "mine").write_bytes(b"mine")
    (here / "mine").chmod(0o644)
    archive = here / "packed.tar.gz"
    entries = [
        member(name, b"evil" if kind == tarfile.REGTYPE else b"", type=kind, linkname=link, mode=mode)
        for kind, name, link, mode in packed
    ]
    archive.write_bytes(gzip.compress(tarball(entries), 1))
    error = None
    try:
        with unpacked(archive, 4000) as folder:
            assert not any(path.is_symlink() for path in folder.rglob("*"))
    except (ValueError, OSError) as raised:
        error = raised
    assert error is None or "packed.tar.gz" in str(error)
    assert {path.name for path in here.iterdir()} == {"mine", "packed.tar.gz", "scratch"}
    assert os.listdir(here / "scratch/downloads") == []
    status = (here / "mine").stat()
    assert ((here / "mine").read_bytes(), status.st_nlink, status.st_mode & 0o7777) == (b"mine", 1, 0o644)


@settings(max_examples=300, deadline=None, suppress_health_check=per_test_folder)
@given(members)
def test_nothing_leaves_the_folder(here, packed):
    unpack_packed(here, packed)


@pytest.mark.torture
@settings(max_examples=10_000, deadline=None, suppress_health_check=per_test_folder)
@given(members)
def test_nothing_leaves_the_folder_in_ten_thousand_archives(here, packed):
    unpack_packed(here, packed)
