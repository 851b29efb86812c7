"""Reading the team's folder: every format, every kind of bad file by name, and nothing from outside."""

import os
import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from knowledge.reading import Read, read_folder

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
    "</Relationships>"
)


def docx(*paragraphs: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    table = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>plan</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("[Content_Types].xml", TYPES)
        parts.writestr("_rels/.rels", RELATIONS)
        parts.writestr("word/document.xml", f'<w:document xmlns:w="{WORD}"><w:body>{body}{table}</w:body></w:document>')
    return out.getvalue()


def pdf(*pages: str, password: str = "") -> bytes:
    writer = PdfWriter()
    font = {"Type": "Font", "Subtype": "Type1", "BaseFont": "Helvetica"}
    names = DictionaryObject({NameObject(f"/{key}"): NameObject(f"/{value}") for key, value in font.items()})
    for text in pages:
        page = writer.add_blank_page(300, 300)
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(content)
        fonts = DictionaryObject({NameObject("/F1"): names})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    if password:
        writer.encrypt(password, algorithm="AES-256")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def reading(folder: Path, name: str, content: bytes | str) -> Read:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_folder(folder)


def the_problem(read: Read) -> str:
    assert read.sources == ()
    assert len(read.problems) == 1
    return str(read.problems[0])


def test_markdown_is_read_with_its_front_matter(tmp_path: Path) -> None:
    head = (
        "title: Save a renewal\nreview_by: 2030-12-31\nindustries: saas\nexamples:\n  - How do I save it?\nlayout: x\n"
    )
    source = reading(tmp_path, "plays/renewal.md", f"---\n{head}---\n# Renewal\n\nCall.\n").sources[0]
    assert (source.id, source.title, source.review_by) == ("plays/renewal.md", "Save a renewal", date(2030, 12, 31))
    assert (source.industries, source.examples) == (("saas",), ("How do I save it?",))
    assert source.text == "# Renewal\n\nCall.\n"


@pytest.mark.parametrize(
    "name, text, title",
    [
        ("a.md", "# The *first* [heading](x)\n\ntext", "The *first* heading"),
        ("how-to_renew.md", "text", "how to renew"),
        ("renewals/README.md", "text", "renewals"),
        ("notes.txt", "text", "notes"),
    ],
)
def test_a_title_is_the_first_heading_or_the_file_s_name(tmp_path: Path, name: str, text: str, title: str) -> None:
    assert reading(tmp_path, name, text).sources[0].title == title


def test_html_keeps_headings_lists_and_tables_and_drops_scripts_and_menus(tmp_path: Path) -> None:
    page = (
        "<html><head><title>Renewals</title><style>p{}</style></head><body><nav>Menu</nav><script>steal()</script>"
        "<h2>Ask</h2><ul><li>one</li></ul><table><tr><th>a</th></tr><tr><td>b</td></tr></table></body></html>"
    )
    source = reading(tmp_path, "page.html", page).sources[0]
    assert source.title == "Renewals"
    assert "## Ask" in source.text
    assert "- one" in source.text
    assert "| b |" in source.text
    assert "steal" not in source.text
    assert "Menu" not in source.text


def test_html_in_another_encoding_says_so_itself(tmp_path: Path) -> None:
    page = '<html><head><meta charset="latin-1"></head><body><p>Verlängerung</p></body></html>'.encode("latin-1")
    assert "Verlängerung" in reading(tmp_path, "page.htm", page).sources[0].text


def test_word_files_are_read_with_their_tables(tmp_path: Path) -> None:
    text = reading(tmp_path, "plan.docx", docx("Call the sponsor.", "Then wait.")).sources[0].text
    assert text.startswith("Call the sponsor.\n\nThen wait.")
    assert "| plan |" in text


def test_each_page_of_a_pdf_stands_under_its_number(tmp_path: Path) -> None:
    text = reading(tmp_path, "deck.pdf", pdf("Call the sponsor", "", "Then wait")).sources[0].text
    assert text == "## Page 1\n\nCall the sponsor\n\n## Page 3\n\nThen wait"


def test_a_link_leads_to_where_others_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "two words.md").write_text("text")
    assert read_folder(tmp_path, link="https://example.com/book/").sources[0].location == (
        "https://example.com/book/two%20words.md"
    )


def test_a_checkout_is_read_without_git_s_own_files_and_without_code(tmp_path: Path) -> None:
    for name in (".git/description.md", ".github/note.md", "main.py", "logo.png", "sub/deep/page.md", ".hidden.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    read = read_folder(tmp_path)
    assert [source.id for source in read.sources] == ["sub/deep/page.md"]
    assert read.problems == ()


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("a.md", b"", "is empty"),
        ("a.txt", b" \n\t\n", "is empty"),
        ("a.md", b"text\x00\x01", "is binary"),
        ("a.html", b"\x7fELF\x00", "is binary"),
        ("a.md", "Verlängerung".encode("latin-1"), "is not UTF-8 (byte 5)"),
        ("a.md", b"---\ntitle: [\n---\ntext", "front matter that is no YAML"),
        ("a.md", b"---\nreview_by: soon\n---\ntext", "review_by: 'soon', which is no date"),
        ("a.md", b"---\ntitle: nothing else\n---\n", "holds no text"),
        ("a.pdf", b"%PDF-1.7 and then nothing", "is broken"),
        ("a.pdf", pdf(""), "holds no text (scanned pages"),
        ("a.pdf", pdf("secret", password="x"), "is encrypted"),
        ("a.docx", b"PK no zip file", "is broken"),
        ("a.docx", b"\xd0\xcf\x11\xe0 an encrypted one", "is encrypted"),
        ("a.html", b"<div>" * 100_000, "is broken (RecursionError"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_and_the_others_are_read(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / "good.md").write_text("good")
    read = reading(tmp_path, name, content)
    assert [source.id for source in read.sources] == ["good.md"]
    assert len(read.problems) == 1
    assert str(read.problems[0]).startswith(f"{name} ")
    assert reason in str(read.problems[0])


def test_a_file_over_the_limit_is_not_opened(tmp_path: Path) -> None:
    with (tmp_path / "large.pdf").open("wb") as file:
        file.truncate(50_000_001)
    assert the_problem(read_folder(tmp_path)).startswith("large.pdf has 50,000,001 bytes, 50,000,000 are the limit")
    assert "11 bytes, 10 are the limit" in the_problem(read_folder(reduced(tmp_path), most_bytes=10))


def reduced(folder: Path) -> Path:
    os.truncate(folder / "large.pdf", 11)
    return folder


def test_a_pdf_of_too_many_pages_is_left_out(tmp_path: Path) -> None:
    assert "has 1,001 pages, 1,000 are the limit" in the_problem(reading(tmp_path, "a.pdf", pdf(*[""] * 1001)))


def test_a_word_file_that_unpacks_to_too_much_is_left_out_before_it_is_unpacked(tmp_path: Path) -> None:
    out = BytesIO(docx("text"))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as parts, parts.open("word/media.xml", "w") as part:
        for _ in range(201):
            part.write(b"0" * 1_000_000)
    assert len(out.getvalue()) < 1_000_000
    assert "bytes, 200,000,000 are the limit" in the_problem(reading(tmp_path, "a.docx", out.getvalue()))


def test_links_that_lead_outside_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/key.md").write_text("secret")
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / "key.md").symlink_to("../secrets/key.md")
    (folder / "away").symlink_to(tmp_path / "secrets")
    (folder / "loop.md").symlink_to("loop.md")
    read = read_folder(folder)
    assert read.sources == ()
    reasons = {problem.location: problem.reason for problem in read.problems}
    assert reasons.keys() == {"key.md", "away", "loop.md"}
    assert reasons["key.md"] == reasons["away"]
    assert "leads outside the folder" in reasons["key.md"]


def test_a_link_within_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    (tmp_path / "b.md").symlink_to("a.md")
    assert [source.id for source in read_folder(tmp_path).sources] == ["a.md", "b.md"]


@pytest.mark.parametrize("name, shown", [(b"\xff.md", "\\xff.md"), (b"a\nb.md", "a\\nb.md")])
def test_a_name_that_cannot_be_shown_is_named_with_escapes(tmp_path: Path, name: bytes, shown: str) -> None:
    with open(os.path.join(os.fsencode(tmp_path), name), "w") as file:
        file.write("text")
    assert the_problem(read_folder(tmp_path)) == (
        f"{shown} has a name that is not UTF-8 or holds control characters: rename it"
    )


def test_unusual_names_that_can_be_shown_are_fine(tmp_path: Path) -> None:
    assert (
        reading(tmp_path, "Plan (2030) – überall & 'so'.md", "text").sources[0].title == "Plan (2030) – überall & 'so'"
    )


def test_a_pipe_is_no_document(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert the_problem(read_folder(tmp_path)) == "pipe.md is no ordinary file"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="nowhere is no folder"):
        read_folder(tmp_path / "nowhere")
