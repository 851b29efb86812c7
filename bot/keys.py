"""The key that signs links in mails."""

import os
import secrets
from pathlib import Path

from bot.settings import Settings, plain


def signing_key(settings: Settings) -> bytes:
    """Return the key that signs links: SECRET_KEY, or one of its own that is made once and kept in `DATA_DIR`."""
    if settings.secret_key is not None:
        return plain(settings.secret_key).encode()
    file: Path = settings.data_dir / "links.key"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = file.with_suffix(f".{os.getpid()}")
        made.write_text(secrets.token_hex(32))
        made.chmod(0o600)
        try:
            os.link(made, file)  # of two processes at once, one wins
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return file.read_text().strip().encode()
