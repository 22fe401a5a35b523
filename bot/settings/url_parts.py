"""Pure: whether the user and the password of a URL are read alike by all who read it.

A password with an @ or a / is cut in different places by different libraries, and what one of them
takes for the host it tells in its errors. So it must be written as RFC 3986 wants it.
"""

from __future__ import annotations

import re
from typing import Final

MEND: Final = (
    "its user or password holds characters that divide a URL; write @ as %40, : as %3A, / as %2F, "
    "? as %3F, # as %23, % as %25, [ as %5B, ] as %5D and a space as %20"
)
DATABASE_MEND: Final = f"{MEND}, or leave the password out and set the variable PGPASSWORD"
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_RESERVED: Final = re.compile(r"[@/?#\[\]\s\x00-\x1f\x7f]")
_SPACE: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_ADDRESS: Final = re.compile(r"(?:[^:\[\]]*|\[[0-9A-Fa-f:.%]+\])(?::\d+)?")


def is_ambiguous(url: str) -> bool:
    """Whether characters that divide a URL may be part of its user or password.

    The path of an HTTP URL may hold an @ if what stands before it is a host and a port.
    """
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, address = authority.rpartition("@")
    if scheme.startswith("postgres"):
        strays = rest.count("@") > 1 or ("@" in rest and not at) or "#" in rest
        broken = bool(_SPACE.search(rest) or _BAD_PERCENT.search(rest))
    else:
        strays = "@" in rest[len(authority) :] and not _ADDRESS.fullmatch(address)
        broken = bool(_SPACE.search(authority))
    return strays or broken or _is_ambiguous_userinfo(userinfo)


def _is_ambiguous_userinfo(userinfo: str) -> bool:
    found = _RESERVED.search(userinfo) or _BAD_PERCENT.search(userinfo)
    return bool(found) or userinfo.count(":") > 1
