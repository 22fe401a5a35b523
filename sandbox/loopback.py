"""The addresses that the sandbox's servers may listen on."""

from ipaddress import ip_address


def loopback(host: str) -> str:
    """`host`, if nobody outside this machine can reach a server on it. Raises ValueError."""
    try:
        reachable = host != "localhost" and not ip_address(host).is_loopback
    except ValueError:
        reachable = True
    if reachable:
        mend = "use 127.0.0.1; the sandbox listens on loopback only"
        raise ValueError(f"{host} is no loopback address: {mend}")
    return host
