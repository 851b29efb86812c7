"""Markdown out of one file's bytes: Markdown and text as they are, HTML, DOCX and PDF converted."""

import re
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

MOST_PAGES = 1000
MOST_HTML_BYTES = 10_000_000  # its parser is pure Python: a minute for more than this
MOST_UNPACKED_BYTES = 200_000_000  # of a DOCX, which is a ZIP file: what is small may unpack to anything
MOST_CHARACTERS = 5_000_000

_NOT_READ = ("script", "style", "noscript", "template", "nav", "footer", "aside", "form", "svg", "iframe")
_ENCRYPTED_OFFICE = b"\xd0\xcf\x11\xe0"  # an OLE container instead of a ZIP file


class UnreadableError(ValueError):
    """A file cannot be used; the message says why and what to do."""


def to_markdown(suffix: str, content: bytes) -> str:
    """Convert a file's bytes by its suffix, one of CONVERTERS.

    Raises:
        UnreadableError: for what is empty, encrypted, broken, too large or no text.
    """
    if not content.strip():
        raise UnreadableError("is empty")
    try:
        text = CONVERTERS[suffix](content)
    except UnreadableError:
        raise
    except Exception as error:  # what is broken may break a parser anywhere; the file is named, the others go on
        raise UnreadableError(f"is broken ({type(error).__name__}: {error}): save it anew") from error
    if not text.strip():
        raise UnreadableError("holds no text (scanned pages need text recognition first)")
    if len(text) > MOST_CHARACTERS:
        raise UnreadableError(f"holds {len(text):,} characters of text, {MOST_CHARACTERS:,} are the limit: divide it")
    return text.encode("utf-8", "replace").decode()  # a PDF may yield half characters, which nothing can store


def _from_text(content: bytes) -> str:
    if b"\x00" in content:
        raise UnreadableError("is binary, not text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is not UTF-8 (byte {error.start + 1}): save it as UTF-8") from error


def _from_html(content: bytes) -> str:
    from bs4 import BeautifulSoup  # with markdownify: only when there is HTML

    if len(content) > MOST_HTML_BYTES:
        raise UnreadableError(f"has {len(content):,} bytes, {MOST_HTML_BYTES:,} are the limit for HTML: divide it")
    if b"\x00" in content:
        raise UnreadableError("is binary, not HTML")
    page = BeautifulSoup(content, "html.parser")
    for part in page.find_all(_NOT_READ):
        part.decompose()
    heading = f"# {page.title.get_text(' ', strip=True)}\n\n" if page.title and not page.find("h1") else ""
    return heading + _markdown_of(page.body or page)


def _from_docx(content: bytes) -> str:
    import mammoth
    from bs4 import BeautifulSoup

    if content.startswith(_ENCRYPTED_OFFICE):
        raise UnreadableError("is encrypted or in the old .doc format: save it as .docx without a password")
    with zipfile.ZipFile(BytesIO(content)) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
    if unpacked > MOST_UNPACKED_BYTES:
        raise UnreadableError(f"unpacks to {unpacked:,} bytes, {MOST_UNPACKED_BYTES:,} are the limit: divide it")
    no_images = mammoth.images.img_element(lambda image: {})
    html = mammoth.convert_to_html(BytesIO(content), convert_image=no_images).value
    return _markdown_of(BeautifulSoup(html, "html.parser"))


def _from_pdf(content: bytes) -> str:
    """Put each page under its number, so that a citation can name it."""
    from pypdf import PdfReader

    reader = PdfReader(BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableError("is encrypted: save it without a password")
    if len(reader.pages) > MOST_PAGES:
        raise UnreadableError(f"has {len(reader.pages):,} pages, {MOST_PAGES:,} are the limit: divide it")
    texts = [page.extract_text().strip() for page in reader.pages]
    return "\n\n".join(f"## Page {number}\n\n{text}" for number, text in enumerate(texts, 1) if text)


def _markdown_of(page: Any) -> str:
    from markdownify import MarkdownConverter

    text: str = MarkdownConverter(heading_style="ATX", bullets="-", strip=["img"]).convert_soup(page)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


CONVERTERS: dict[str, Callable[[bytes], str]] = {
    ".md": _from_text,
    ".markdown": _from_text,
    ".txt": _from_text,
    ".html": _from_html,
    ".htm": _from_html,
    ".docx": _from_docx,
    ".pdf": _from_pdf,
}
