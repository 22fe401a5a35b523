"""What `providers.base.Provider` promises, as tests of every kind on servers of several makes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import aimock_server
import pytest
from model_servers import (
    KEY,
    KINDS,
    hear,
    play,
    playing_sandbox,
    provider_at,
    settings,
    user,
)
from provider_scenes import (
    BLANK,
    CUT,
    LONG,
    LOTS,
    PLAIN,
    REFUSED,
    RETRY_AFTER,
    STATUSES,
    THOUGHTFUL,
)

from providers.base import (
    AuthenticationError,
    BadResponseError,
    ConnectionFailedError,
    Finish,
    FinishReason,
    Message,
    OverloadedError,
    RateLimitedError,
    ReasoningDelta,
    Role,
    TextDelta,
    TruncatedError,
    Usage,
)
from providers.registry import create

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from model_servers import ModelServer


ERRORS = {401: AuthenticationError, 429: RateLimitedError, 500: OverloadedError}


class ProviderContract:
    """A subclass has the fixtures `server` and `kind`."""

    async def test_an_answer_is_whole_and_ends_with_one_finish(
        self, server: ModelServer, kind: str
    ) -> None:
        heard = await play(server, kind, PLAIN)
        assert heard.error is None
        assert heard.text == PLAIN.answer
        assert heard.events[-1] == Finish(FinishReason.STOP)
        for event in heard.events[:-1]:
            assert isinstance(event, TextDelta | ReasoningDelta | Usage)
            if not isinstance(event, Usage):
                assert event.text
                event.text.encode()  # half a surrogate pair can't be encoded

    async def test_a_conversation_reaches_the_server_whole_and_in_order(
        self, server: ModelServer, kind: str
    ) -> None:
        said = [
            (Role.SYSTEM, "Be brief; use ```py``` and ü."),
            (Role.USER, "My name is Ada 😀.\n\nWhat is yours?"),
            (Role.ASSISTANT, "data: I have none."),
            (Role.USER, PLAIN.question),
        ]
        async with provider_at(server, kind) as provider:
            heard = await hear(provider, [Message.of(role, text) for role, text in said])
        assert heard.text == PLAIN.answer
        assert await server.conversation() == said

    async def test_a_thought_is_no_part_of_the_answer(self, server: ModelServer, kind: str) -> None:
        heard = await play(server, kind, THOUGHTFUL)
        thoughts = [event.text for event in heard.events if isinstance(event, ReasoningDelta)]
        assert "".join(thoughts) in ("", THOUGHTFUL.thought)  # some show none unless asked to
        assert heard.text == THOUGHTFUL.answer

    async def test_an_answer_cut_by_a_token_limit_says_so(
        self, server: ModelServer, kind: str
    ) -> None:
        heard = await play(server, kind, LONG)
        assert heard.text == LONG.answer
        assert heard.events[-1] == Finish(FinishReason.LENGTH)

    async def test_an_answer_without_text_is_an_error(self, server: ModelServer, kind: str) -> None:
        heard = await play(server, kind, BLANK)
        assert type(heard.error) is BadResponseError
        assert heard.text == ""

    @pytest.mark.parametrize("status", STATUSES)
    async def test_a_refusal_is_told_by_its_meaning(
        self, server: ModelServer, kind: str, status: int
    ) -> None:
        heard = await play(server, kind, REFUSED[status])
        assert heard.events == []
        assert type(heard.error) is ERRORS[status]
        assert str(heard.error).startswith(f"HTTP {status}")
        assert KEY not in str(heard.error)
        if isinstance(heard.error, RateLimitedError):
            assert heard.error.retry_after == RETRY_AFTER

    async def test_a_broken_answer_is_an_error_after_what_came(
        self, server: ModelServer, kind: str
    ) -> None:
        heard = await play(server, kind, CUT)
        assert isinstance(heard.error, ConnectionFailedError | TruncatedError)
        assert CUT.answer.startswith(heard.text)
        assert heard.text != CUT.answer

    async def test_an_error_leaves_nothing_behind(self, server: ModelServer, kind: str) -> None:
        async with provider_at(server, kind) as provider:
            for scene in (CUT, REFUSED[500]):
                assert (await hear(provider, [user(scene.question)])).error
                assert (await hear(provider, [user(PLAIN.question)])).text == PLAIN.answer

    async def test_answers_side_by_side_do_not_mix(self, server: ModelServer, kind: str) -> None:
        async with provider_at(server, kind) as provider:
            answers = await asyncio.gather(*(hear(provider, [user(lot.question)]) for lot in LOTS))
        assert [answer.text for answer in answers] == [lot.answer for lot in LOTS]
        assert all(answer.finished for answer in answers)

    async def test_an_answer_need_not_be_read_to_its_end(
        self, server: ModelServer, kind: str
    ) -> None:
        async with provider_at(server, kind) as provider:
            async with aclosing(provider.stream([user(LOTS[-1].question)])) as events:
                first = await anext(events)
            assert isinstance(first, TextDelta)
            assert LOTS[-1].answer.startswith(first.text)
            assert (await hear(provider, [user(PLAIN.question)])).text == PLAIN.answer

    async def test_closing_twice_and_closing_unused_are_harmless(
        self, server: ModelServer, kind: str
    ) -> None:
        await create(settings(kind, server.url(kind))).close()
        async with provider_at(server, kind) as provider:
            assert (await hear(provider, [user(PLAIN.question)])).finished
            await provider.close()


class TestOnTheSandbox(ProviderContract):
    @pytest.fixture
    async def server(self) -> AsyncIterator[ModelServer]:
        async with playing_sandbox() as running:
            yield running

    @pytest.fixture(params=KINDS)
    def kind(self, request: pytest.FixtureRequest) -> str:
        return request.param


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with aimock_server.running(tmp_path_factory.mktemp("aimock")) as running:
        yield running


@pytest.mark.skipif(not aimock_server.PROGRAM.exists(), reason=aimock_server.ABSENT)
class TestOnAimock(ProviderContract):
    @pytest.fixture
    def server(self, aimock: ModelServer) -> ModelServer:
        return aimock

    @pytest.fixture(params=aimock_server.KINDS)
    def kind(self, request: pytest.FixtureRequest) -> str:
        return request.param
