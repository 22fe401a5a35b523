"""The registry: lazy, complete, and clear about what it does not know."""

from __future__ import annotations

import subprocess
import sys

import pytest

from providers.base import Provider, ProviderSettings
from providers.describe import params_line, table
from providers.registry import UnknownKindError, capabilities, create, kinds, provider_class


def test_importing_the_registry_imports_no_provider() -> None:
    code = (
        "import sys, providers.registry as r; r.kinds();"
        "print(sorted(m for m in sys.modules if m.startswith('providers.') or m == 'aiohttp'))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == (
        "['providers.base', 'providers.redact', 'providers.registry', 'providers.secret_forms']"
    )


@pytest.mark.parametrize("kind", kinds())
async def test_every_kind_can_be_created(kind: str) -> None:
    settings = ProviderSettings(kind, base_url="http://127.0.0.1:9/v1", model="m")
    provider = create(settings)
    assert isinstance(provider, Provider)
    assert type(provider) is provider_class(kind)
    assert provider.kind == kind
    assert provider.settings is settings
    await provider.close()
    await provider.close()


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("opnai", 'did you mean "openai"?'),
        ("GetGPT", 'did you mean "getgpt"?'),
        ("zzz", "there are openai, responses"),
    ],
)
def test_an_unknown_kind_names_the_nearest(typed: str, hint: str) -> None:
    with pytest.raises(UnknownKindError, match="no kind of provider") as caught:
        capabilities(typed)
    assert hint in str(caught.value)


def test_the_originals_public_sites_are_declared_gone() -> None:
    gone = {kind for kind in kinds() if not capabilities(kind).working}
    assert gone == {"getgpt", "yqcloud", "aichat", "gptalk"}


def test_the_params_line_is_the_originals() -> None:
    assert params_line("getgpt") == (
        "providers.getgpt supports: (model: str, messages: list, stream: bool, temperature: float,"
        " max_tokens: int, top_p: float, presence_penalty: float, frequency_penalty: float)"
    )
    assert params_line("gptalk") == (
        "providers.gptalk supports: (model: str, messages: list, stream: bool)"
    )


def test_the_table_has_a_row_for_every_kind() -> None:
    rows = {row.kind: row for row in table()}
    assert tuple(rows) == kinds()
    assert rows["openai"].url == "https://api.openai.com/v1"
    assert rows["openai"].models == "any"
    assert rows["aichat"].stream == "no"
