"""Metrics by TCP: only where configured, on loopback unless said otherwise, and nothing else."""

import http.client
import re
import signal
from pathlib import Path

from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host, until

PORT = 9183


def ask(path: str, port: int = PORT) -> tuple[int, str]:
    """GET a path; (0, "") where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionError:
        return 0, ""
    finally:
        connection.close()


def figure(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not in\n{text}"
    return float(found[1])


def test_nobody_listens_unless_configured(host: Host) -> None:
    host.start()
    sockets = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    listening = [line.split() for line in sockets]
    assert [line for line in listening if line[3] == "0A"] == []
    assert ask("/metrics") == (0, "")


def test_metrics_count_what_happened_and_nothing_else_is_served(host: Host) -> None:
    host.configure(ETH0, ETH1, ETH2, more="metrics = true")
    host.start()
    host.settled()
    code, text = ask("/metrics")
    assert code == 200
    assert text.endswith("# EOF\n")
    ours = host.ours().splitlines()
    rules = sum(" rule " in line for line in ours)
    assert figure(text, "srcroutd_rules_owned") == rules
    assert figure(text, "srcroutd_routes_owned") == len(ours) - rules
    assert figure(text, "srcroutd_in_sync") == 1
    added = 'srcroutd_operations_total{kind="rule",result="ok",verb="add"}'
    assert figure(text, added) == rules
    assert figure(text, 'srcroutd_drift_repaired_total{kind="rule"}') == 0

    host.ip("rule del priority 18016")
    until(lambda: "18016:" in host.ours(), 2, "the rule is back")
    until(lambda: figure(ask("/metrics")[1], added) == rules + 1, 2, "it is counted")
    assert figure(ask("/metrics")[1], 'srcroutd_drift_repaired_total{kind="rule"}') == 1
    assert ask("/v1/status")[0] == 404
    assert ask("/v1/cleanup")[0] == 404


def test_a_reload_opens_moves_and_closes_it(host: Host) -> None:
    daemon = host.start()
    for more, open_ports, closed_ports in (
        ("metrics = true", [PORT], []),
        ("metrics = 9184", [9184], [PORT]),
        ("", [], [PORT, 9184]),
    ):
        host.configure(ETH0, ETH1, ETH2, more=more)
        daemon.send(signal.SIGHUP)
        for port in open_ports:
            until(lambda port=port: ask("/metrics", port)[0] == 200, 5, f"{port} answers")  # type: ignore[misc]
        for port in closed_ports:
            until(lambda port=port: ask("/metrics", port)[0] == 0, 5, f"{port} is closed")  # type: ignore[misc]


def test_an_address_that_is_taken_is_reported_and_routing_goes_on(host: Host) -> None:
    host.configure(ETH0, ETH1, ETH2, more='metrics = "192.0.2.99:9183"')
    daemon = host.start()
    daemon.wait_said("cannot listen", "192.0.2.99", "routing goes on")
    assert "18016:" in host.settled()
