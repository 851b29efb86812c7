"""Another embedding model than the bundled one, by setting."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bot.settings import Settings, SettingsError, plain
from knowledge.index import Embedder, EmbedderError

AT_ONCE = 500  # texts in one request
SECONDS = 30.0


@dataclass(frozen=True)
class OpenAIEmbedder:
    """Vectors from any OpenAI-compatible server."""

    model: str
    key: str
    base_url: str | None

    @property
    def name(self) -> str:
        return f"openai:{self.model}"

    def embed(self, texts: list[str]) -> np.ndarray:
        """Return one row of unit length per text.

        Raises:
            EmbedderError: the server does not answer.
        """
        from openai import OpenAI, OpenAIError

        client = OpenAI(api_key=self.key, base_url=self.base_url, timeout=SECONDS, max_retries=2)
        rows: list[list[float]] = []
        try:
            for start in range(0, len(texts), AT_ONCE):
                asked = [text or " " for text in texts[start : start + AT_ONCE]]
                rows += [each.embedding for each in client.embeddings.create(model=self.model, input=asked).data]
        except OpenAIError as error:
            raise EmbedderError(f"the embedding model {self.model} does not answer ({type(error).__name__})") from error
        found = np.array(rows, dtype=np.float32).reshape(len(texts), -1)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def embedder_of(settings: Settings) -> Callable[[], Embedder] | None:
    """Return what makes the model of the settings; None for the bundled one.

    Raises:
        SettingsError: a model that is not known, or one without its key.
    """
    if settings.embedder == "bundled":
        return None
    kind, _, model = settings.embedder.partition(":")
    key = plain(settings.openai_api_key)
    if kind != "openai" or not model:
        raise SettingsError(f"EMBEDDER is {settings.embedder}: write `bundled`, or `openai:` and the model's name.")
    if not key:
        raise SettingsError(f"EMBEDDER is {settings.embedder}, which needs OPENAI_API_KEY.")
    return lambda: OpenAIEmbedder(model, key, settings.openai_base_url)
