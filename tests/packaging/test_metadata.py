"""What the packages say of themselves to the package managers."""

import hashlib
from email.parser import HeaderParser

from srcroutd import __version__
from tests.packaging import rpm
from tests.packaging.deb import Deb
from tests.packaging.rpm import Rpm


def test_the_deb_needs_python_and_the_c_library_and_nothing_else(package: Deb) -> None:
    said = HeaderParser().parsestr(package.control["control"].decode())
    assert said["Package"] == "srcroutd"
    assert said["Version"] == __version__
    assert said["Architecture"] == "amd64"
    assert said["Depends"] == "python3 (>= 3.11), python3 (<< 3.15), libc6 (>= 2.28)"
    assert said["Recommends"] == "iproute2, nftables"
    assert said["Suggests"] == "nftables"
    assert said.get("Pre-Depends") is None


def test_its_description_has_a_first_line_and_no_long_one(package: Deb) -> None:
    said = HeaderParser().parsestr(package.control["control"].decode())["Description"]
    first, *rest = said.splitlines()
    assert first == "Source routing for cloud hosts with several NICs"
    assert rest
    assert max(map(len, rest)) <= 80


def test_dpkg_can_verify_every_file(package: Deb) -> None:
    lines = package.control["md5sums"].decode().splitlines()
    told = {f"/{name}": digest for digest, name in (line.split("  ", 1) for line in lines)}
    have = {
        place: hashlib.md5(content, usedforsecurity=False).hexdigest()
        for place, content in package.content.items()
    }
    assert told == {place: have[place] for place in told}
    conffiles = set(package.control["conffiles"].decode().split())
    assert set(have) - set(told) <= conffiles


def test_the_rpm_takes_any_python_that_we_have_modules_for(rpm_package: Rpm) -> None:
    tags = rpm_package.tags
    assert (tags[rpm.NAME], tags[rpm.VERSION], tags[rpm.RELEASE]) == ("srcroutd", __version__, "1")
    assert tags[rpm.ARCHITECTURE] == "x86_64"
    assert tags[rpm.LICENCE] == "Apache-2.0"
    assert [name for name in tags[rpm.REQUIRES] if not name.startswith("rpmlib(")] == [
        "(python(abi) = 3.11 or python(abi) = 3.12 or python(abi) = 3.13 or python(abi) = 3.14)"
    ]
    assert tags[rpm.RECOMMENDS] == ["iproute", "nftables"]


def test_the_rpm_does_not_name_the_machine_that_built_it(rpm_package: Rpm) -> None:
    assert rpm_package.tags[rpm.BUILD_HOST] == "reproducible"


def test_the_rpm_sets_up_after_the_old_version_is_gone(rpm_package: Rpm) -> None:
    tags = rpm_package.tags
    assert "systemd-sysusers srcroutd.conf" in tags[rpm.AFTER_TRANSACTION]
    assert "systemctl stop" in tags[rpm.BEFORE_ERASE]
    assert "daemon-reload" in tags[rpm.AFTER_ERASE]
    assert rpm.AFTER_INSTALL not in tags
    assert rpm.BEFORE_INSTALL not in tags
