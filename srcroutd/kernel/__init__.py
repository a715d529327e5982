"""The kernel's side: netlink messages in and out. The only package that may import pyroute2."""
