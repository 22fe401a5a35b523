"""The addresses that the sandbox's servers may listen on."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether nobody outside this machine can reach a server on `host`."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
