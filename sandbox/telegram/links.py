"""The links that a text_link entity may carry, checked as the server checks them: pure.

Source: tdlib/td LinkManager.cpp (check_link), HttpUrl.cpp (parse_url).
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

_SCHEMES_OF_TELEGRAM = ("tg", "ton", "tonsite")
_PORT_LIMIT = 65535
_HOST = re.compile(r"(?:[A-Za-z0-9.\-_!$,~*'();&+=\u0080-\U0010ffff]|%[0-9A-Fa-f]{2})+")
_BLANK = re.compile(r"[\x00-\x20]")
_SPLIT = re.compile(r"[/?#]")


class LinkError(ValueError):
    """The reason a link is refused, as the server words it."""


def check_link(link: str) -> str:
    """The link as Telegram stores it: with a scheme, the host in lower case, a path.

    Raises LinkError for a link that Telegram does not take.
    """
    scheme, _, rest = link.partition(":")
    if scheme.lower() in _SCHEMES_OF_TELEGRAM:
        host, path = _split(rest.removeprefix("//"))
        tail = path.removeprefix("/") if path.startswith("/?") else path
        return f"{scheme.lower()}://{host.lower()}{tail}"
    protocol, rest = _protocol(link)
    authority, path = _split(rest)
    userinfo, at, host_and_port = authority.rpartition("@")
    host, port = _host_and_port(host_and_port)
    if "." not in host and not host.startswith("["):
        raise LinkError("Wrong HTTP URL")
    return f"{protocol}://{userinfo}{at}{host.lower()}{port}{_encode(path)}"


def _encode(path: str) -> str:
    return _BLANK.sub(lambda match: f"%{ord(match.group()):02X}", path)


def _protocol(link: str) -> tuple[str, str]:
    scheme, separator, rest = link.partition("://")
    if not separator or _SPLIT.search(scheme):
        return "http", link
    if scheme.lower() not in ("http", "https"):
        raise LinkError("Unsupported URL protocol")
    return scheme.lower(), rest


def _split(rest: str) -> tuple[str, str]:
    """Authority and path; the path begins with a slash."""
    match = _SPLIT.search(rest)
    at = match.start() if match else len(rest)
    path = rest[at:].rstrip()
    return rest[:at], path if path.startswith("/") else f"/{path}"


def _host_and_port(text: str) -> tuple[str, str]:
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:
        host, port = text, ""
    elif not port.isdecimal() or not 0 < int(port) <= _PORT_LIMIT:
        raise LinkError("Wrong port number specified in the URL")
    if not host:
        raise LinkError("URL host is empty")
    if host == ".":
        raise LinkError("Host is invalid")
    if host.startswith("[") and host.endswith("]"):
        _check_ipv6(host[1:-1])
    elif not _HOST.fullmatch(host):
        raise LinkError("Disallowed character in URL host")
    return host, f":{port}" if port else ""


def _check_ipv6(address: str) -> None:
    try:
        IPv6Address(address)
    except AddressValueError:
        raise LinkError("Wrong IPv6 address specified in the URL") from None
