"""What programs test themselves with: in-memory streams, whose items a test injects, and a local exchange, a server on
loopback that speaks the exchanges' protocols. Both go through the code that live streams go through.
"""

from typing import TYPE_CHECKING, Any

from barter_cffi.testing.channels import Injector, in_memory

if TYPE_CHECKING:
    from barter_cffi.testing.local_exchange import LocalExchange

__all__ = ["Injector", "LocalExchange", "in_memory"]


def __getattr__(name: str) -> Any:
    if name != "LocalExchange":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from barter_cffi.testing.local_exchange import LocalExchange  # needs aiohttp, and says so

    return LocalExchange
