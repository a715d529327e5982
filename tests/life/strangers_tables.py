"""The tables of nftables that other programs keep on the host, as they write them: those that mark
packets or connections, or rewrite destinations.
"""

import re
import subprocess

# iptables-nft's own chains have these names and priorities; what it puts in them is left to it.
STRANGERS = """
table ip nat {
    chain DOCKER {
        iifname "docker0" counter return
        iifname != "docker0" tcp dport 8080 counter dnat to 172.17.0.2:80
    }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local counter jump DOCKER
    }
    chain OUTPUT {
        type nat hook output priority -100; policy accept;
        ip daddr != 127.0.0.0/8 fib daddr type local counter jump DOCKER
    }
    chain POSTROUTING {
        type nat hook postrouting priority srcnat; policy accept;
        oifname != "docker0" ip saddr 172.17.0.0/16 counter masquerade
    }
}
table ip mangle {
    chain PREROUTING {
        type filter hook prerouting priority mangle; policy accept;
        iifname "wg0" counter meta mark set 0x0000ca6c
        ct mark set meta mark
    }
    chain OUTPUT {
        type route hook output priority mangle; policy accept;
        meta mark set ct mark
    }
}
table ip filter {
    chain ts-forward {
        iifname "tailscale0" counter meta mark set meta mark & 0xff00ffff | 0x00040000
        meta mark & 0x00ff0000 == 0x00040000 counter accept
    }
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        counter jump ts-forward
        ct state related,established counter accept
    }
}
table ip kube-proxy {
    set nodes { type ipv4_addr; elements = { 172.16.0.10, 172.16.1.5 } }
    map services {
        type ipv4_addr . inet_proto . inet_service : verdict
        elements = { 10.96.0.1 . tcp . 443 : goto service }
    }
    chain service {
        meta mark set meta mark | 0x00004000
        meta l4proto tcp dnat to 172.16.1.9:6443
    }
    chain nat-prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr . meta l4proto . tcp dport vmap @services
    }
}
table inet srcroutd-like {
    chain prerouting {
        type filter hook prerouting priority -149; policy accept;
    }
}
table ip srcroutd {
    comment "another family's name is another's"
    chain prerouting {
        type filter hook prerouting priority -149; policy accept;
    }
}
"""


def nft(*words: str, text: str | None = None) -> str:
    """What ``nft WORDS`` says."""
    done = subprocess.run(["nft", *words], input=text, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def put_strangers() -> None:
    """All of them."""
    nft("-f", "-", text=STRANGERS)


def ruleset() -> str:
    """Everything there is, with the kernel's handles: what is made anew has another one."""
    return nft("-a", "list", "ruleset")


def theirs() -> str:
    """The ruleset without the table ``inet srcroutd``."""
    tables = re.split(r"^(?=table )", ruleset(), flags=re.MULTILINE)
    return "".join(one for one in tables if not one.startswith("table inet srcroutd {"))
