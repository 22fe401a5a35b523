"""The contract of providers, on litellm's proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import litellm_proxy
import pytest
from hypothesis import settings
from test_provider_contract import ProviderContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_servers import ModelServer

pytestmark = pytest.mark.skipif(
    settings.get_current_profile_name() != "soak",
    reason="litellm's proxy is run by `make soak`: it takes its time to install and to start",
)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    try:
        litellm_proxy.install()
    except litellm_proxy.NotInstalledError as error:
        pytest.skip(str(error))
    with litellm_proxy.running(tmp_path_factory.mktemp("litellm")) as running:
        yield running


class TestOnLitellm(ProviderContract):
    @pytest.fixture
    def server(self, proxy: ModelServer) -> ModelServer:
        return proxy

    @pytest.fixture(params=litellm_proxy.KINDS)
    def kind(self, request: pytest.FixtureRequest) -> str:
        return request.param
