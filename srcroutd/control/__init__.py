"""The control socket: versioned JSON over HTTP on a unix socket, its server and its client."""
