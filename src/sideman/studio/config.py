"""How a studio is set up."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlunsplit

from sideman.errors import StudioError
from sideman.studio.limits import Limits
from sideman.studio.store.database import file_url

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that only this machine reaches."""

EVERYWHERE = ("0.0.0.0", "::", "")
"""Addresses that mean all of this machine's; nobody can open them."""

PORT = 8765

TOKEN_LENGTH = 16
"""Fewest characters of a token: shorter ones can be guessed."""

DATABASE = "studio.db"
"""The SQLite file in the folder of the studio."""


@dataclass(frozen=True, slots=True)
class StudioConfig:
    """How a studio is set up.

    Attributes:
        folder: Where it keeps its data.
        database: URL of the database. "": a SQLite file in the folder.
        bundle: The model. None: the one that comes with Sideman.
        host: Address to listen at.
        port: Port to listen at.
        token: What a browser must know; "" asks for nothing.
        allowed_hosts: Names under which it may be reached besides its own.
        n_workers: Processes that write.
        limits: How much it takes.

    Raises:
        StudioError: If others could reach it without a token, or the token is short.
    """

    folder: Path
    database: str = ""
    bundle: Path | None = None
    host: str = LOOPBACK[0]
    port: int = PORT
    token: str = field(default="", repr=False)
    allowed_hosts: tuple[str, ...] = ()
    n_workers: int = 1
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.token and not self.is_private:
            msg = (
                f"at {self.host} others can reach the studio; "
                "say --token, a secret of yours that they must know"
            )
            raise StudioError(msg)
        if self.token and (len(self.token) < TOKEN_LENGTH or not self.token.isascii()):
            msg = f"the token must have {TOKEN_LENGTH} or more characters, all of them ASCII"
            raise StudioError(msg)

    @property
    def is_private(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host in LOOPBACK

    @property
    def link(self) -> str:
        """Address to open in a browser, with the token if there is one."""
        name = LOOPBACK[0] if self.host in EVERYWHERE else self.host
        name = f"[{name}]" if ":" in name else name
        query = urlencode({"token": self.token}) if self.token else ""
        return urlunsplit(("http", f"{name}:{self.port}", "/", query, ""))

    @property
    def database_url(self) -> str:
        """URL of the database."""
        return self.database or file_url(self.folder / DATABASE)
