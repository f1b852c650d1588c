"""make release: what is published, into dist/.

usage: release.py check            refuses a tree or a version that is not fit for it; writes NOTES.md
       release.py package          wheel and sdist, the same bytes from the same commit
       release.py image IMAGE ...  an archive for `docker load`, and an SBOM (CycloneDX), of each image
       release.py sums             SHA256SUMS over all that is in dist/
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
PACKAGES = "cat /etc/os-release; dpkg-query -W -f 'package ${Package} ${Version} ${Architecture} ${source:Package}\\n'"
"""What an image is asked for: of which Debian it is, and its packages."""


class Refused(Exception):
    """Why there is no release, in one sentence."""


class Package(NamedTuple):
    """A Debian package; source is the package that it was built from, which security notices name."""

    name: str
    version: str
    architecture: str
    source: str


def version(root: Path) -> str:
    """The version that the package has of itself."""
    found = re.search(r'^__version__ = "(.*)"$', (root / "dbhandler" / "__init__.py").read_text(), re.MULTILINE)
    if not found:
        raise Refused("dbhandler/__init__.py names no version")
    return found[1]


def notes(changelog: str, wanted: str) -> str:
    """The section of a version, which has a date. Raises Refused."""
    found = re.search(rf"^## {re.escape(wanted)} – (\S+)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found:
        raise Refused(f"CHANGELOG.md has no section {wanted}")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", found[1]):
        raise Refused(f"the section {wanted} of CHANGELOG.md is {found[1]}: a release has a date there")
    return found[2].strip() + "\n"


def check(root: Path) -> str:
    """The notes of the release. Raises Refused for a tree that no commit holds, and a version without a section."""
    if output("git", "-C", str(root), "status", "--porcelain"):
        raise Refused("the tree has changes that no commit holds: commit them first")
    return notes((root / "CHANGELOG.md").read_text(), version(root))


def package() -> None:
    """Builds wheel and sdist from the commit alone, whatever else lies about here."""
    epoch = commit_time()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "source.tar")
        output("git", "-C", str(ROOT), "archive", "-o", str(archive), "HEAD")
        with tarfile.open(archive) as tar:
            tar.extractall(Path(folder, "source"), filter="data")
        subprocess.run(
            (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, str(Path(folder, "source"))),
            check=True, env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch)},
        )  # fmt: skip
        [sdist], [wheel] = Path(folder).glob("*.tar.gz"), Path(folder).glob("*.whl")
        even_out(sdist, DIST / sdist.name, epoch)
        shutil.copy(wheel, DIST)


def even_out(source: Path, target: Path, epoch: int) -> None:
    """Copies a .tar.gz without what differs from build to build: times, owners, order, modes but for x."""
    with (
        tarfile.open(source) as old,
        target.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode, member.pax_headers = (0o755 if member.isdir() or member.mode & 0o100 else 0o644), {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)


def image(name: str) -> None:
    """Saves an image, and the list of what is in it."""
    label = f"{name.replace(':', '-')}-{version(ROOT)}"
    (DIST / "images").mkdir(exist_ok=True)
    command = ("docker", "save", name)
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as saving,
        (DIST / "images" / f"{label}.tar.gz").open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=commit_time()) as packed,
    ):
        assert saving.stdout  # noqa: S101
        shutil.copyfileobj(saving.stdout, packed, 1 << 20)
    if saving.returncode:
        raise subprocess.CalledProcessError(saving.returncode, command)
    print(f"saved {name}", flush=True)
    (DIST / f"{label}.cdx.json").write_text(sbom(name))


def sbom(name: str) -> str:
    """What is in an image, as CycloneDX: Debian's packages, and ours."""
    command = ("docker", "run", "--rm", "--network", "none", "--user", "nobody", "--entrypoint", "sh", name)
    told = output(*command, "-c", PACKAGES)
    identity = output("docker", "image", "inspect", "-f", "{{.Id}}", name).strip()
    return cyclonedx(name, identity, debian(told), list(packages(told)))


def debian(told: str) -> str:
    """The release as package URLs name it, debian-13; sid has no number."""
    found = re.search(r'^VERSION_ID="?(\d+)', told, re.MULTILINE)
    return f"debian-{found[1]}" if found else "debian-sid"


def packages(told: str) -> Iterator[Package]:
    """The Debian packages in an image's answer."""
    return (Package(*line.split()[1:]) for line in told.splitlines() if line.startswith("package "))


def cyclonedx(name: str, identity: str, distro: str, found: Sequence[Package]) -> str:
    """The document. identity is the image's id, which makes the document's own, so that it is the same each time."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    def ours(kind: ComponentType, text: str, url: PackageURL) -> Component:
        return Component(type=kind, name=text, version=version(ROOT), purl=url, bom_ref=str(url))

    def theirs(package: Package) -> Component:
        qualifiers = {"arch": package.architecture, "distro": distro, "upstream": package.source}
        url = PackageURL("deb", "debian", package.name, package.version, qualifiers)
        return Component(
            type=ComponentType.LIBRARY, name=package.name, version=package.version, purl=url, bom_ref=str(url)
        )

    subject = ours(ComponentType.CONTAINER, name, PackageURL("oci", None, name.partition(":")[0], identity))
    package = ours(ComponentType.APPLICATION, "dbhandler", PackageURL("pypi", None, "dbhandler", version(ROOT)))
    bom = Bom(components=[package, *map(theirs, found)], serial_number=uuid.uuid5(uuid.NAMESPACE_OID, identity))
    bom.metadata.component = subject
    bom.metadata.timestamp = datetime.fromtimestamp(commit_time(), UTC)
    bom.register_dependency(subject, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=1)) + "\n"


def sums() -> None:
    """Writes SHA256SUMS, which `sha256sum -c` reads."""
    files = sorted(path for path in DIST.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(DIST)}\n" for path in files]
    (DIST / "SHA256SUMS").write_text("".join(lines))


def commit_time() -> int:
    """When HEAD was committed (seconds since 1970): what is built from it has that time."""
    return int(output("git", "-C", str(ROOT), "log", "-1", "--format=%ct"))


def output(*command: str) -> str:
    """What a command prints. Raises CalledProcessError."""
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def main(argv: Sequence[str]) -> int:
    """Does one part of a release; returns the exit status."""
    DIST.mkdir(exist_ok=True)
    try:
        match list(argv):
            case ["check"]:
                (DIST / "NOTES.md").write_text(check(ROOT))
            case ["package"]:
                package()
            case ["image", *names] if names:
                for name in names:
                    image(name)
            case ["sums"]:
                sums()
            case _:
                print(__doc__, file=sys.stderr)
                return os.EX_USAGE
    except Refused as error:
        print(f"no release: {error}", file=sys.stderr)
        return os.EX_DATAERR
    except subprocess.CalledProcessError as error:
        print(f"no release: {error.cmd[0]} failed with status {error.returncode}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
