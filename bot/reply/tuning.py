"""How the pace is tuned: none of these is a limit of a platform. docs/benchmarks.md weighs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tuning:
    """Times in seconds, parts from 0 to 1."""

    preview_gap: float = 0.15
    """The fewest seconds between two previews of a chat: faster than this an edit shows a few words
    and costs as much as one that shows ten."""
    below_reserve: float = 0.5
    """The part of the rate that previews use while the reserve fills again."""

    # How long an answer goes on.

    usual_length: float = 15.0
    """Seconds for which an answer is written, as long as none was."""
    learning: float = 0.2
    """The weight of one answer in what is usual."""
    least_left: float = 0.4
    """The part of the usual length for which an answer is expected to go on, however long it is."""
    soon_over: float = 5.0
    """Seconds for which a young answer is expected to go on, besides the time it has gone on
    already: more of them are short than long."""
    least_extra: float = 0.5
    """The part of the rate by which what can be spared is spent at least: a small rest lasts no
    longer for being spent slowly, as the bucket fills again meanwhile."""
    least_spare: float = 0.1
    """Tokens; less is no rest."""

    # Several replies in one chat.

    own_turn: float = 0.7
    """The part of a round over all replies of a chat that lies between two previews of one."""
    own_final: float = 0.5
    """Tokens that previews leave for each further reply that is being written in their chat: not
    all of them end at once."""
    most_kept: float = 0.5
    """The part of a burst that is left for finals of further replies at most."""

    # Many chats at once.

    round: float = 2.0
    """Seconds within which the bot's budget gives every reply a call: then first texts go first,
    and spend what is kept for finals."""
    first_patience: float = 2.5
    """Seconds after which they spend it in a crowd, too."""
    first_weight: float = 4.0
    """What the lag of a reader who has seen nothing of the reply yet is multiplied by in a
    crowd."""

    # What is believed of a platform.

    distrust: float = 0.25
    """What a refusal leaves of the belief in a chat's declared budget."""
    recovery: float = 0.02
    """The part of the lost belief that each success restores."""
    forgiven: float = 0.99
    """A trust from which on a chat is like any other."""
    grudge: float = 3600.0
    """Seconds without a call after which a refusal is forgotten."""
    slept_off: float = 0.3
    """Seconds beyond the usual trip from which on a call was slowed down by the platform: Telegram
    sleeps off a call that is over the limit before it refuses one."""
    slow_calls: int = 2
    """In a row, before they are believed: one may be the network's."""
    least_burst: float = 3.0
    """Calls at once that are believed in, however many were slowed down."""
    idle_chats: int = 1024
    """Chats remembered before those at rest are forgotten."""


USUAL: Final = Tuning()
