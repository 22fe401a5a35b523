"""Text and entities as the server takes them: UTF-16, ranges, settling, the words of refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.telegram.entities import SPLITTABLE, Entity, FormattedText, format_text, settle
from sandbox.telegram.entity_json import parse_entities
from sandbox.telegram.errors import ApiError
from sandbox.telegram.links import LinkError, check_link
from sandbox.telegram.text import split_utf16, utf16_length

MIDDLE = "entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 5"


def spans(formatted: FormattedText) -> list[tuple[str, int, int]]:
    return [(e.type, e.offset, e.length) for e in formatted.entities]


def refusal(text: str, *entities: Entity) -> str:
    with pytest.raises(ApiError) as caught:
        format_text(text, entities)
    assert caught.value.code == 400
    return caught.value.description


def test_an_emoji_counts_two_units() -> None:
    assert utf16_length("a🙂é漢") == 5


def test_text_is_trimmed_and_entities_shift() -> None:
    formatted = format_text(" \n 🙂 hello \n", [Entity("bold", 6, 5)])
    assert formatted.text == "🙂 hello"
    assert spans(formatted) == [("bold", 3, 5)]


def test_an_entity_over_trimmed_text_is_cut_or_dropped() -> None:
    formatted = format_text("hi  ", [Entity("bold", 0, 4), Entity("italic", 3, 1)])
    assert (formatted.text, spans(formatted)) == ("hi", [("bold", 0, 2)])


def test_leading_space_inside_an_entity_stays() -> None:
    formatted = format_text("  x", [Entity("code", 1, 2)])
    assert (formatted.text, spans(formatted)) == (" x", [("code", 0, 2)])


def test_control_characters_become_spaces_and_carriage_returns_vanish() -> None:
    formatted = format_text("a\tb\r\nc\u202ed", [Entity("bold", 5, 3)])
    assert (formatted.text, spans(formatted)) == ("a b\ncd", [("bold", 4, 2)])


def test_only_whitespace_leaves_nothing() -> None:
    assert format_text(" \n\t ", []) == FormattedText("")


@pytest.mark.parametrize(
    ("entity", "words"),
    [
        (Entity("bold", 6, 1), "entity begins after the end of the text at UTF-16 offset 6"),
        (
            Entity("bold", 3, 3),
            "entity beginning at UTF-16 offset 3 ends after the end of the text at UTF-16 offset 6",
        ),
        (
            Entity("bold", 2, 1),
            "entity begins in a middle of a UTF-16 symbol at byte offset 5",
        ),
        (
            Entity("bold", 0, 2),
            MIDDLE,
        ),
        (Entity("bold", -1, 1), "receive an entity with incorrect offset -1"),
        (Entity("bold", 0, -1), "receive an entity with incorrect length -1"),
    ],
)
def test_an_entity_that_does_not_fit_is_refused(entity: Entity, words: str) -> None:
    assert refusal("a🙂bc", entity) == f"Bad Request: {words}"


def test_a_lone_surrogate_is_refused() -> None:
    assert refusal("a\ud83d") == "Bad Request: strings must be encoded in UTF-8"


def test_an_empty_entity_is_forgotten() -> None:
    assert format_text("abc", [Entity("bold", 1, 0)]).entities == ()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (["x"], "expected an Object"),
        ([{"type": "bold", "length": 1}], 'Can\'t find field "offset"'),
        ([{"type": "bold", "offset": 0}], 'Can\'t find field "length"'),
        ([{"type": "bold", "offset": [], "length": 1}], 'Field "offset" must be a Number'),
        ([{"type": "bold", "offset": 0.5, "length": 1}], 'Field "offset" must be a valid Number'),
        ([{"offset": 0, "length": 1}], 'Can\'t find field "type"'),
        ([{"type": "", "offset": 0, "length": 1}], "Type is not specified"),
        ([{"type": "loud", "offset": 0, "length": 1}], "Unsupported type specified"),
        ([{"type": "text_link", "offset": 0, "length": 1}], 'Can\'t find field "url"'),
        ([{"type": "text_mention", "offset": 0, "length": 1}], 'Can\'t find field "user"'),
    ],
)
def test_an_object_that_is_no_entity_is_refused(raw: object, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_entities(raw)
    assert caught.value.description == f"Bad Request: can't parse MessageEntity: {words}"


def test_entity_fields_are_kept_and_automatic_types_ignored() -> None:
    parsed = parse_entities(
        [
            {"type": "pre", "offset": 0, "length": 1, "language": "python"},
            {"type": "text_link", "offset": "1", "length": 1, "url": "HTTP://Example.com?q=a b"},
            {"type": "text_link", "offset": 2, "length": 1, "url": "tg://user?id=42"},
            {"type": "url", "offset": 3, "length": 1},
        ]
    )
    assert parsed == [
        Entity("pre", 0, 1, language="python"),
        Entity("text_link", 1, 1, url="http://example.com/?q=a%20b"),
        Entity("text_mention", 2, 1, user_id=42),
    ]


@pytest.mark.parametrize(
    ("link", "stored"),
    [
        ("example.com", "http://example.com/"),
        ("https://Example.COM/Path", "https://example.com/Path"),
        ("https://user:pw@a.b:8080#x", "https://user:pw@a.b:8080/#x"),
        ("http://[::1]/", "http://[::1]/"),
        ("tg://resolve?domain=x", "tg://resolve?domain=x"),
        ("https://bücher.example/ü", "https://bücher.example/ü"),
    ],
)
def test_a_link_is_stored_complete(link: str, stored: str) -> None:
    assert check_link(link) == stored


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("", "URL host is empty"),
        ("#section", "URL host is empty"),
        ("docs/readme", "Wrong HTTP URL"),
        ("http://localhost", "Wrong HTTP URL"),
        ("ftp://a.b", "Unsupported URL protocol"),
        ("http://a.b:0", "Wrong port number specified in the URL"),
        ("http://a b.c", "Disallowed character in URL host"),
        ("http://[::g]/", "Wrong IPv6 address specified in the URL"),
    ],
)
def test_a_link_that_leads_nowhere_is_refused(link: str, reason: str) -> None:
    with pytest.raises(LinkError, match=reason):
        check_link(link)
    with pytest.raises(ApiError) as caught:
        parse_entities([{"type": "text_link", "offset": 0, "length": 1, "url": link}])
    expected = f"Bad Request: entity URL '{link}' is invalid: {reason}"
    assert caught.value.description == expected


@pytest.mark.parametrize(
    ("given_entities", "kept"),
    [
        # styles that cross are cut where the later begins
        ([("bold", 0, 5), ("italic", 3, 5)], [("bold", 0, 3), ("italic", 3, 5), ("bold", 3, 2)]),
        # like styles that touch are merged
        ([("bold", 0, 3), ("bold", 3, 3)], [("bold", 0, 6)]),
        # nothing lives inside code
        ([("code", 0, 6), ("bold", 2, 2)], [("code", 0, 6)]),
        ([("bold", 0, 6), ("pre", 2, 2)], [("bold", 0, 2), ("pre", 2, 2), ("bold", 4, 2)]),
        # of two links that overlap the first stays
        ([("text_link", 0, 4), ("text_link", 2, 4)], [("text_link", 0, 4)]),
        # a quote holds styles and code
        ([("blockquote", 0, 6), ("code", 1, 2)], [("blockquote", 0, 6), ("code", 1, 2)]),
        # code that crosses a quote's edge goes
        ([("blockquote", 0, 3), ("code", 2, 3)], [("blockquote", 0, 3)]),
    ],
)
def test_entities_are_settled(
    given_entities: list[tuple[str, int, int]], kept: list[tuple[str, int, int]]
) -> None:
    settled = settle(Entity(*entity) for entity in given_entities)
    assert [(e.type, e.offset, e.length) for e in settled] == kept


def test_commands_mentions_links_and_hashtags_are_found_in_utf16() -> None:
    formatted = format_text("🙂 /ask@some_bot @ada1 see https://a.b/c?d=1. #tag a/b me@x.y", [])
    assert spans(formatted) == [
        ("bot_command", 3, 13),
        ("mention", 17, 5),
        ("url", 27, 17),
        ("hashtag", 46, 4),
    ]


def test_nothing_is_found_inside_code_and_links() -> None:
    formatted = format_text("/start @ada1", [Entity("code", 0, 6), Entity("text_link", 7, 5)])
    assert spans(formatted) == [("code", 0, 6), ("text_link", 7, 5)]


@given(
    st.text(alphabet=" \n\r\tab🙂é/#@", max_size=30),
    st.lists(
        st.tuples(
            st.sampled_from([*SPLITTABLE, "code", "pre", "text_link", "blockquote"]),
            st.integers(0, 30),
            st.integers(0, 30),
        ),
        max_size=6,
    ),
)
def test_what_is_accepted_is_settled_and_fits(text: str, raw: list[tuple[str, int, int]]) -> None:
    try:
        formatted = format_text(text, [Entity(*entity) for entity in raw])
    except ApiError:
        assert any(offset + length > utf16_length(text) for _, offset, length in raw) or (
            "🙂" in text
        )
        return
    assert formatted.text == formatted.text.rstrip(" \n")
    length = utf16_length(formatted.text)
    assert all(0 <= e.offset < e.end <= length for e in formatted.entities)
    assert settle(formatted.entities) == formatted.entities
    explicit = [e for e in formatted.entities if e.type in {entity[0] for entity in raw}]
    again = format_text(formatted.text, explicit)
    assert again == formatted


@given(st.text(alphabet="a🙂", max_size=40))
def test_a_paste_is_split_without_loss(text: str) -> None:
    parts = split_utf16(text, 7)
    assert "".join(parts) == text
    assert all(0 < utf16_length(part) <= 7 for part in parts)
