"""What other people may choose on a host: names of processes and files, links, containers. None of
it reaches a terminal as it is, opens a device, or is taken for the host's own.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from srcroutd.cli.verbs.doctor import render
from srcroutd.doctor.diagnose import diagnose
from srcroutd.doctor.files import Files
from srcroutd.doctor.finding import Finding, Slug
from srcroutd.doctor.gather import gather
from srcroutd.doctor.scene import Scene
from tests.pure.views import view

Host = Callable[[dict[str, str]], list[Finding]]
UDP = "  sl  local_address rem_address   st\n"
ROW = "   1: 00000000:0202 00000000:0000 07 0:0 0:0 0 65534 0 {} 2 x 0\n"
NETWORKD = "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
DROP_IN = "/etc/systemd/networkd.conf.d/50.conf"


def about(findings: list[Finding], slug: Slug) -> list[Finding]:
    return [finding for finding in findings if finding.slug is slug]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\n$ rm -rf /\n", "a?$ rm -rf / (514)"), ("\33[2Jok\n", "?[2Jok (514)")],
)
def test_a_process_cannot_speak_to_the_terminal_by_its_name(
    host: Host, name: str, shown: str
) -> None:
    findings = host(
        {
            "/proc/net/udp": UDP + ROW.format(77),
            "/proc/9/comm": name,
            "/proc/9/fd/3": "->socket:[77]",
        }
    )
    (finding,) = about(findings, Slug.UDP_WILDCARD)
    assert finding.what.endswith(shown)
    assert all(line.isprintable() for line in render([finding], ()))


def test_a_file_with_an_undecodable_name_can_be_told(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "etc/netplan")
    (tmp_path / "etc/netplan").mkdir(parents=True)
    Path(os.fsdecode(folder + b"/\xff.yaml")).write_text("routing-policy:\n- from: 198.51.100.5\n")
    (finding,) = about(list(diagnose(gather(view(), None, tmp_path))), Slug.NETPLAN_POLICY)
    "\n".join(render([finding], ())).encode()
    assert "\\udcff.yaml:2: - from: 198.51.100.5" in finding.what


def test_what_is_no_file_is_not_even_opened(tmp_path: Path) -> None:
    # Somebody's link to /dev/watchdog would start it; a FIFO shows whether anything was opened.
    home = tmp_path / "home/eve"
    home.mkdir(parents=True)
    fifo = home / "config_dual_traffic.sh"
    os.mkfifo(fifo)
    opened = threading.Event()

    def wait_for_a_reader() -> None:
        with fifo.open("wb"):
            opened.set()

    writer = threading.Thread(target=wait_for_a_reader)
    writer.start()
    time.sleep(0.3)  # It waits in open(2) by now; were it late, the test would see too little.
    try:
        findings = list(diagnose(gather(view(), None, tmp_path)))
        assert about(findings, Slug.DUAL_TRAFFIC_SCRIPT) == []
        assert not opened.wait(0.3)
    finally:
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        writer.join()
        os.close(reader)


def test_programs_of_a_container_are_not_the_hosts(host: Host) -> None:
    name = {"/proc/77/comm": "systemd-network\n"}
    inside = {"/proc/77/status": "Name:\tsystemd-network\nNSpid:\t77\t12\n"}
    assert about(host(name | inside), Slug.NETWORKD_FOREIGN) == []
    outside = {"/proc/78/status": "Name:\tsystemd-network\nNSpid:\t78\n"}
    findings = host({"/proc/78/comm": "systemd-network\n"} | outside)
    assert len(about(findings, Slug.NETWORKD_FOREIGN)) == 1


def test_settings_that_may_not_be_read_are_no_finding_but_named(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.texts[DROP_IN] = ""
    runs = Scene(enabled=frozenset({"systemd-networkd.service"}))
    assert [finding.slug for finding in diagnose(runs)] == [Slug.NETWORKD_FOREIGN]
    blind = Scene(enabled=runs.enabled, unread=frozenset({DROP_IN}))
    assert diagnose(blind) == ()


def test_who_may_not_read_the_drop_in_is_told_so_and_not_alarmed(tmp_path: Path) -> None:
    for path in (NETWORKD, DROP_IN):
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_text("[Network]\nManageForeignRoutes=no\n")
    (tmp_path / DROP_IN.lstrip("/")).chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o001:
            break
        folder.chmod(folder.stat().st_mode | 0o001)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            scene = gather(None, None, tmp_path)
            alarmed = any(one.slug is Slug.NETWORKD_FOREIGN for one in diagnose(scene))
            code = 2 if alarmed else 0 if f"{DROP_IN}: permission denied" in scene.unseen else 3
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
