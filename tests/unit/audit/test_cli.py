"""dbhandler-audit verify: what it reads, what it says, how it ends."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from dbhandler.audit import cli
from dbhandler.audit import head as heads
from dbhandler.audit.head import Head
from dbhandler.audit.output import File
from dbhandler.audit.record import Entry
from dbhandler.audit.trail import Trail


class Site:
    """A state folder, a trail, and the program beside them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.state, self.file, self._capsys = folder / "state", folder / "trail", capsys
        self.state.mkdir()
        self.head = self.state / "audit-head"
        self.environ = {"DBHANDLER_STATE_DIR": str(self.state), "DBHANDLER_AUDIT": str(self.file)}

    def tell(self, *operations: str) -> None:
        trail = Trail(File(self.file), self.state, "db")
        for operation in operations:
            trail(Entry(operation, "done"))

    @property
    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines(keepends=True)

    def verify(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str]:
        """The exit status and what it prints."""
        status = cli.main(["verify", *arguments], self.environ, io.BytesIO(stdin))
        out, err = self._capsys.readouterr()
        return status, out + err


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    made = Site(tmp_path, capsys)
    made.tell("a", "b", "c")
    return made


def test_the_file_of_the_setting_is_whole(site: Site) -> None:
    status, said = site.verify()
    assert status == os.EX_OK
    assert said.startswith("3 lines, whole, from number 1 (")
    assert site.verify(str(site.file)) == (status, said)


def test_a_removed_line_shows(site: Site) -> None:
    one, _, three = site.lines
    site.file.write_bytes(one + three)
    assert site.verify() == (os.EX_DATAERR, "number 2 is missing, removed between line 1 and line 2\n")


def test_a_removed_end_shows_in_the_servers_container_only(site: Site) -> None:
    site.file.write_bytes(b"".join(site.lines[:2]))
    assert site.verify() == (os.EX_DATAERR, "number 3 is missing at the end, which was cut off\n")
    assert site.verify("--no-head")[0] == os.EX_OK


def test_a_file_that_is_gone_shows(site: Site) -> None:
    site.file.write_bytes(b"")
    assert site.verify() == (os.EX_DATAERR, "the numbers 1 to 3 are missing at the end, which was cut off\n")
    site.file.unlink()
    assert site.verify() == (os.EX_SOFTWARE, f"dbhandler-audit: {site.file}: No such file or directory\n")


def test_a_log_comes_in(site: Site) -> None:
    log = b"=> Done!\n" + b"\xff ready\r\n".join(line.replace(b"\n", b"\r\n") for line in site.lines)
    assert site.verify("-", stdin=log)[0] == os.EX_OK
    status, said = site.verify("-", stdin=log + b'{"audit": 1, "number": 4}\n')
    assert (status, said) == (
        os.EX_DATAERR, "line 7 begins like a line of the trail and is none: it was altered, or forged\n"
    )  # fmt: skip


def test_rotated_files_are_one_trail(site: Site) -> None:
    old = site.file.rename(site.file.with_suffix(".1"))
    site.tell("d", "e")
    assert site.verify(str(old), str(site.file))[0] == os.EX_OK
    status, said = site.verify()
    assert status == os.EX_DATAERR and "begins with number 4" in said and "--from 4" in said
    assert site.verify("--from", "4")[0] == os.EX_OK
    lines = site.lines
    site.file.write_bytes(lines[1])
    assert f"removed between {old} line 3 and {site.file} line 1" in site.verify(str(old), str(site.file))[1]


def test_a_line_that_is_still_to_be_finished_is_no_sign_of_anything(site: Site) -> None:
    lines = site.lines
    for length in (0, 1, 50, len(lines[2]) - 1):
        site.file.write_bytes(lines[0] + lines[1] + lines[2][:length])
        assert site.verify()[0] == (os.EX_OK if length == len(lines[2]) - 1 else os.EX_DATAERR)
        heads.store(site.head, Head(lines[2].decode().strip(), written=False))
        assert site.verify()[0] == os.EX_OK
        heads.store(site.head, Head(lines[2].decode().strip()))
    site.file.write_bytes(lines[0] + lines[1] + b'{"audit": 2')
    heads.store(site.head, Head(lines[2].decode().strip(), written=False))
    assert site.verify()[0] == os.EX_DATAERR


def test_without_a_head_nobody_knows_the_end(site: Site) -> None:
    site.head.unlink()
    sentence = f"nothing says where the trail ends: there is no {site.head} (--no-head)\n"
    assert site.verify() == (os.EX_DATAERR, sentence)
    assert site.verify("--no-head")[0] == os.EX_OK
    site.head.write_text("x")
    status, said = site.verify()
    assert status == os.EX_SOFTWARE and "is damaged" in said


def test_before_the_first_line_all_is_well(site: Site) -> None:
    site.head.unlink()
    site.file.write_bytes(b"")
    assert site.verify() == (os.EX_OK, "no lines yet\n")
    # Elsewhere it rather is another file that was meant.
    assert site.verify("--no-head") == (os.EX_DATAERR, "there is no line of an audit trail\n")


def test_a_long_line_of_somebody_else_costs_no_memory_and_hides_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "LONGEST", 1000)
    one, two, three = site.lines
    log = one + b"x" * 1000 + b'{"audit"' * 1000 + b"\n" + two + three
    assert site.verify("-", stdin=log)[0] == os.EX_OK
    site.file.write_bytes(log)
    assert site.verify()[0] == os.EX_OK


def test_what_is_written_while_it_is_read_is_not_looked_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read = cli._lines

    def meanwhile(stream: io.BytesIO, size: int | None) -> object:
        site.tell("d")
        return read(stream, size)

    monkeypatch.setattr(cli, "_lines", meanwhile)
    assert site.verify()[0] == os.EX_OK


def test_of_many_sentences_a_few_are_told(site: Site) -> None:
    status, said = site.verify("-", stdin=b'{"audit"\n' * 100)
    assert status == os.EX_DATAERR
    assert len(said.splitlines()) == cli.MOST + 1 and said.endswith("and 81 sentences more like these\n")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("", "which FILE? DBHANDLER_AUDIT is not set"),
        ("stdout", "docker logs db | docker exec -i db dbhandler-audit verify -"),
        ("trail", "DBHANDLER_AUDIT has to be stdout or the whole path"),
    ],
)
def test_it_has_to_know_which_file(site: Site, setting: str, sentence: str) -> None:
    site.environ["DBHANDLER_AUDIT"] = setting
    status, said = site.verify()
    assert status == os.EX_USAGE and sentence in said


@pytest.mark.parametrize("arguments", ["", "verify --from 0", "verify --from x", "verify --x", "x"])
def test_wrong_usage(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments.split(), {})
    assert ended.value.code == os.EX_USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1
