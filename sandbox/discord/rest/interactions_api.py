"""The REST routes that answer interactions: the callback, the first answer, follow-ups."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox.discord.errors import Code, FormErrors, refusal
from sandbox.discord.forms import Form
from sandbox.discord.rest.message_form import MessageForm, parse_message
from sandbox.discord.rest.messages_api import edited_content, new_content
from sandbox.discord.rest.request import NO_CONTENT, Reply, Request, ok
from sandbox.discord.scene.interactions import CALLBACKS, Callback, Interaction
from sandbox.discord.world.mentions import USERS_ONLY
from sandbox.discord.world.message_wire import message_json
from sandbox.discord.world.model import Content, Draft, Message, MessageFlag, MessageKind, Reference

if TYPE_CHECKING:
    from sandbox.discord.errors import Json
    from sandbox.discord.scene.acts import Acts
    from sandbox.discord.scene.interactions import Interactions
    from sandbox.discord.settings import Settings

_DEFERRED = (Callback.DEFERRED_MESSAGE, Callback.DEFERRED_UPDATE)


class InteractionsApi:
    """Whoever has an interaction's token may answer it; permissions in the channel don't matter."""

    def __init__(self, acts: Acts, interactions: Interactions, settings: Settings) -> None:
        self._acts = acts
        self._world = acts.world
        self._interactions = interactions
        self._settings = settings

    def respond(self, request: Request) -> Reply:
        """Answer an interaction for the first time, in time."""
        interaction = self._interactions.find(request.words["interaction_token"])
        if interaction is None or interaction.id != request.ids["interaction_id"]:
            raise refusal(Code.UNKNOWN_INTERACTION)
        if interaction.callback is not None:
            raise refusal(Code.ALREADY_ACKNOWLEDGED)
        if self._interactions.failed(interaction):
            raise refusal(Code.UNKNOWN_INTERACTION)
        callback, data = self._read_callback(request, interaction)
        form = self._parse(data, request)
        self._apply(interaction, callback, form)
        interaction.callback = callback
        if request.query.get("with_response", "").lower() not in ("1", "true"):
            return NO_CONTENT
        return Reply(HTTPStatus.OK, self._callback_json(interaction, callback))

    def get_original(self, request: Request) -> Reply:
        return self._show(self._original(self._answered(request)))

    def edit_original(self, request: Request) -> Reply:
        return self._edit(self._original(self._answered(request)), request)

    def delete_original(self, request: Request) -> Reply:
        self._acts.delete(self._original(self._answered(request)))
        return NO_CONTENT

    def follow_up(self, request: Request) -> Reply:
        """Post another answer; the first one after a deferral takes the deferred one's place."""
        interaction = self._answered(request)
        original = interaction.original
        if original is not None and original.flags & MessageFlag.LOADING and not original.deleted:
            return self._edit(original, request)
        form = self._parse(request.fields, request)
        content = new_content(self._world, form)
        if content.is_empty:
            raise refusal(Code.EMPTY_MESSAGE)
        channel = interaction.channel
        reference = None
        if original is not None and not original.deleted:
            reference = Reference(channel.id, channel.guild_id, original.id)
        draft = Draft(
            content,
            MessageKind.DEFAULT if reference is None else MessageKind.REPLY,
            reference,
            source=interaction.follow_up_source(),
            seen_by=_seen_by(interaction, content),
        )
        return self._show(self._acts.post(channel, self._world.bot, draft))

    def get_follow_up(self, request: Request) -> Reply:
        return self._show(self._follow_up(request))

    def edit_follow_up(self, request: Request) -> Reply:
        return self._edit(self._follow_up(request), request)

    def delete_follow_up(self, request: Request) -> Reply:
        self._acts.delete(self._follow_up(request))
        return NO_CONTENT

    def _read_callback(self, request: Request, interaction: Interaction) -> tuple[Callback, Json]:
        errors = FormErrors()
        form = Form(request.fields, errors)
        number = form.choice("type", CALLBACKS[interaction.kind])
        if number is None and form.get("type") is None:
            form.refuse("type", "BASE_TYPE_REQUIRED", "This field is required")
        data = form.nested("data")
        errors.check()
        assert number is not None
        return Callback(number), {} if data is None else data.raw()

    def _parse(self, fields: Json, request: Request) -> MessageForm:
        return parse_message(
            fields, request.uploads, self._settings, default=USERS_ONLY, interaction=True
        )

    def _apply(self, interaction: Interaction, callback: Callback, form: MessageForm) -> None:
        if callback is Callback.MODAL:
            return
        if callback in (Callback.UPDATE, Callback.DEFERRED_UPDATE):
            pressed = interaction.original = interaction.pressed
            assert pressed is not None
            if callback is Callback.UPDATE:
                self._acts.edit(pressed, edited_content(self._world, pressed, form))
            return
        content = new_content(self._world, form)
        if callback is Callback.DEFERRED_MESSAGE:
            content = Content(flags=content.flags & MessageFlag.EPHEMERAL | MessageFlag.LOADING)
        elif content.is_empty:
            raise refusal(Code.EMPTY_MESSAGE)
        draft = Draft(
            content,
            MessageKind.COMMAND if interaction.name else MessageKind.DEFAULT,
            source=interaction.source(),
            seen_by=_seen_by(interaction, content),
        )
        interaction.original = self._acts.post(interaction.channel, self._world.bot, draft)

    def _callback_json(self, interaction: Interaction, callback: Callback) -> Json:
        original = interaction.original
        about: Json = {"id": str(interaction.id), "type": int(interaction.kind)}
        if original is None:
            return {"interaction": about}
        about |= {
            "response_message_id": str(original.id),
            "response_message_loading": bool(original.flags & MessageFlag.LOADING),
            "response_message_ephemeral": original.ephemeral,
        }
        if callback in _DEFERRED:
            return {"interaction": about}
        return {
            "interaction": about,
            "resource": {"type": int(callback), "message": self._json(original)},
        }

    def _answered(self, request: Request) -> Interaction:
        """The interaction of the token in the path, acknowledged and not too old."""
        interaction = self._interactions.find(request.words["interaction_token"])
        if interaction is None or request.ids["application_id"] != self._world.bot.id:
            raise refusal(Code.INVALID_WEBHOOK_TOKEN)
        if self._interactions.expired(interaction):
            raise refusal(Code.INVALID_WEBHOOK_TOKEN)
        if interaction.callback is None:
            raise refusal(Code.UNKNOWN_WEBHOOK)
        return interaction

    def _original(self, interaction: Interaction) -> Message:
        if interaction.original is None or interaction.original.deleted:
            raise refusal(Code.UNKNOWN_MESSAGE)
        return interaction.original

    def _follow_up(self, request: Request) -> Message:
        """A message that answers the interaction, by its id."""
        interaction = self._answered(request)
        message = interaction.channel.messages.get(request.ids["message_id"])
        source = None if message is None else message.source
        if message is None or message.deleted or source is None:
            raise refusal(Code.UNKNOWN_MESSAGE)
        if source.interaction_id != interaction.id:
            raise refusal(Code.UNKNOWN_MESSAGE)
        return message

    def _edit(self, message: Message, request: Request) -> Reply:
        form = self._parse(request.fields, request)
        content = edited_content(self._world, message, form)
        if content.is_empty:
            raise refusal(Code.EMPTY_MESSAGE)
        self._acts.edit(message, replace(content, flags=content.flags & ~MessageFlag.EPHEMERAL))
        return self._show(message)

    def _show(self, message: Message) -> Reply:
        return ok(self._json(message))

    def _json(self, message: Message) -> Json:
        return message_json(self._world, message, content=self._settings.message_content)


def _seen_by(interaction: Interaction, content: Content) -> int | None:
    return interaction.user.id if content.flags & MessageFlag.EPHEMERAL else None
