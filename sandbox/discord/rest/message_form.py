"""What a request says about a message, checked as Discord checks it.

https://discord.com/developers/docs/resources/message#create-message
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.discord.errors import Code, FormErrors, refusal
from sandbox.discord.forms import Form
from sandbox.discord.scene.components import check_components
from sandbox.discord.world.mentions import DEFAULT, AllowedMentions, parse_allowed_mentions
from sandbox.discord.world.model import MessageFlag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.discord.errors import Json
    from sandbox.discord.rest.request import Upload
    from sandbox.discord.settings import Settings

MAX_EMBEDS = 10
MAX_EMBEDS_SIZE = 6000
MAX_FIELDS = 25
MAX_NONCE = 25
MAX_ATTACHMENTS = 10
_SETTABLE = (
    MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.COMPONENTS_V2
)


@dataclass(frozen=True, slots=True)
class ReplyTo:
    message_id: int
    channel_id: int | None
    fail_if_not_exists: bool


@dataclass(frozen=True, slots=True)
class MessageForm:
    """The fields of a message; None where the request is silent (an edit keeps what there is)."""

    content: str | None
    """Trimmed; "" where the request says null."""
    embeds: tuple[Json, ...] | None
    components: tuple[Json, ...] | None
    flags: MessageFlag | None
    allowed: AllowedMentions
    reply_to: ReplyTo | None = None
    nonce: str | int | None = None
    enforce_nonce: bool = False
    uploads: Sequence[Upload] = ()
    descriptions: Mapping[int, str] = field(default_factory=dict)
    """Of uploads, by their number."""
    kept_attachments: frozenset[int] | None = None
    """In an edit: the ids of those to keep; None: all of them."""


def parse_message(
    body: Mapping[str, object],
    uploads: Sequence[Upload],
    settings: Settings,
    *,
    default: AllowedMentions = DEFAULT,
    interaction: bool = False,
    path: tuple[str | int, ...] = (),
) -> MessageForm:
    """Read a message's fields; raises ApiError with everything that is wrong with them.

    Args:
        body: the JSON object.
        uploads: the files that came with it.
        settings: the limits.
        default: what allowed_mentions is where it is absent.
        interaction: whether it answers an interaction, where it may be ephemeral.
        path: where in the request the object is.
    """
    errors = FormErrors()
    form = Form(body, errors, path)
    content = form.text("content", most=settings.content_limit)
    flags = _flags(form, interaction=interaction)
    embeds = _embeds(form)
    components = check_components(form)
    parsed = MessageForm(
        content=(content or "").strip() if "content" in form else None,
        embeds=embeds,
        components=components,
        flags=flags,
        allowed=parse_allowed_mentions(form.get("allowed_mentions"), errors, default=default),
        reply_to=_reply_to(form),
        nonce=_nonce(form),
        enforce_nonce=bool(form.boolean("enforce_nonce")),
        uploads=uploads,
        descriptions=_descriptions(form),
        kept_attachments=_kept(form),
    )
    if flags is not None and flags & MessageFlag.COMPONENTS_V2 and (parsed.content or embeds):
        form.refuse(
            "content" if parsed.content else "embeds",
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
            "The 'content' and 'embeds' fields cannot be used with MessageFlags.IS_COMPONENTS_V2",
        )
    errors.check()
    if any(len(upload.content) > settings.file_limit for upload in uploads):
        raise refusal(Code.REQUEST_TOO_LARGE)
    return parsed


def _flags(form: Form, *, interaction: bool) -> MessageFlag | None:
    """Flags that can't be set are ignored, as Discord does."""
    number = form.integer("flags", least=0)
    if number is None:
        return None
    settable = _SETTABLE | MessageFlag.EPHEMERAL if interaction else _SETTABLE
    return MessageFlag(number) & settable


def _embeds(form: Form) -> tuple[Json, ...] | None:
    if "embeds" not in form:
        return None
    embeds = form.objects("embeds", most=MAX_EMBEDS)
    total = sum(_check_embed(embed) for embed in embeds)
    if total > MAX_EMBEDS_SIZE:
        message = f"Embed size exceeds maximum size of {MAX_EMBEDS_SIZE}"
        form.refuse("embeds", "MAX_EMBED_SIZE_EXCEEDED", message)
    return tuple({**embed.raw(), "type": "rich"} for embed in embeds)


def _check_embed(embed: Form) -> int:
    """Check the lengths of an embed's texts; returns what counts towards the size of all."""
    texts = [embed.text("title", most=256), embed.text("description", most=4096)]
    for name, part, most in (("footer", "text", 2048), ("author", "name", 256)):
        inner = embed.nested(name)
        if inner is not None:
            texts.append(inner.text(part, most=most, required=True))
    for field_form in embed.objects("fields", most=MAX_FIELDS):
        texts.append(field_form.text("name", most=256, required=True))
        texts.append(field_form.text("value", most=1024, required=True))
    return sum(len(text or "") for text in texts)


def _reply_to(form: Form) -> ReplyTo | None:
    reference = form.nested("message_reference")
    if reference is None:
        return None
    if reference.choice("type", (0,)) is None and reference.get("type") is not None:
        return None
    message_id = reference.id("message_id")
    if message_id is None:
        if reference.get("message_id") is None:
            reference.refuse("message_id", "BASE_TYPE_REQUIRED", "This field is required")
        return None
    strict = reference.boolean("fail_if_not_exists")
    return ReplyTo(message_id, reference.id("channel_id"), strict is not False)


def _nonce(form: Form) -> str | int | None:
    nonce = form.get("nonce")
    if isinstance(nonce, bool) or not isinstance(nonce, str | int | None):
        form.refuse("nonce", "BASE_TYPE_CHOICES", "Value must be an integer or a string.")
        return None
    if nonce is not None and len(str(nonce)) > MAX_NONCE:
        form.refuse("nonce", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_NONCE} or fewer in length.")
    return nonce


def _descriptions(form: Form) -> dict[int, str]:
    described = {}
    for item in form.objects("attachments", most=MAX_ATTACHMENTS):
        number = item.id("id")
        if number is not None:
            described[number] = item.text("description", most=1024) or ""
    return described


def _kept(form: Form) -> frozenset[int] | None:
    """The ids that `attachments` lists; numbers of uploads are among them and harm nothing."""
    if form.get("attachments") is None:
        return None
    return frozenset(_descriptions(form))
