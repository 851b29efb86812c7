"""A mail says the same in both parts, can be signed and threaded, and nothing in it makes a header of its own."""

import base64
import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from bot.senders.dkim import Signer, body_hash, headers, relaxed
from bot.senders.email import Unsubscribing
from bot.senders.mime import LONGEST_TEXT, Mail, html_of, message_id, refuse_address, write_mail
from tests.tools.portfolio import NOW
from tools.outbox import Parcel
from tools.unsubscribing import read_token

FROM = ("Dana Reyes", "success@team.example")
TEXT = 'Hello Ann,\n\nsee https://help.team.example/tour?a=1&b=2.\nIs 3 < 4 & "fine"?\n\nBest\nDana'


def mail(text: str = TEXT, subject: str = "Hi", name: str = "Ann Lee", **more: object) -> Mail:
    given: dict[str, object] = {
        "sender": FROM, "recipient": (name, "ann@customer.example"), "reply_to": ("Dana", "dana@team.example"),
        "subject": subject, "text": text, "footer": (), "sent_at": NOW, "message_id": "<k@team.example>",
    }  # fmt: skip
    return Mail(**given | more)  # type: ignore[arg-type]


def parsed(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def part(found: EmailMessage, kind: str) -> str:
    body = found.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


class Words(HTMLParser):
    """The text of a page as a reader sees it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said, self.links = "", list[str]()
        self.feed(page.partition("<body>")[2])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.said += data


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_both_parts_say_the_same_and_link_only_what_the_text_links() -> None:
    found = parsed(write_mail(mail(footer=("Tend Ltd", "1 High Street"))))
    assert part(found, "plain") == f"{TEXT}\n\n-- \nTend Ltd\n1 High Street\n"
    page = Words(part(found, "html"))
    assert squeezed(page.said) == squeezed(part(found, "plain"))
    assert page.links == ["https://help.team.example/tour?a=1&b=2"]


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\0", exclude_categories=("Cs", "Cc")) | st.just("\n"))
)
def test_whatever_the_text_both_parts_say_it(text: str) -> None:
    found = parsed(write_mail(mail(text=text)))
    assert part(found, "plain").rstrip("\n") == text.rstrip("\n")
    assert squeezed(Words(part(found, "html")).said) == squeezed(text)


@pytest.mark.parametrize(
    "text", ["x" * 5000, "Grüße — 日本 ✓\n.\n..\nFrom me", "a\tb  \n\ttrailing \n", "long " * 500 + "ü"]
)
def test_long_lines_and_letters_of_every_language_travel_in_short_plain_lines(text: str) -> None:
    raw = write_mail(mail(text=text))
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert part(parsed(raw), "plain").rstrip("\n") == text.rstrip("\n")


SMUGGLED = [
    "Ann\r\nBcc: x@y.example",
    "Ann\nBcc: x@y.example",
    "Ann\rBcc: x",
    "Ann\u2028Bcc: x",
    "Ann\x0bBcc: x",
    "A\0",
]


@pytest.mark.parametrize("words", SMUGGLED)
def test_a_line_break_never_makes_a_header(words: str) -> None:
    for broken in (mail(name=words), mail(subject=words), mail(sender=(words, FROM[1])), mail(reply_to=("D", words))):
        with pytest.raises(ValueError, match="line break"):
            write_mail(broken)
    with pytest.raises(ValueError, match="line break"):
        write_mail(mail(extra=(("In-Reply-To", words),)))


@given(st.text(max_size=200), st.text(max_size=200))
def test_names_and_subjects_arrive_or_are_refused(name: str, subject: str) -> None:
    try:
        raw = write_mail(mail(name=name, subject=subject))
    except ValueError:
        return
    found = parsed(raw)
    assert set(found.keys()) == {
        "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"
    }  # fmt: skip
    assert squeezed(str(found["Subject"])) == squeezed(subject)


@pytest.mark.parametrize("name", ["Añn Lee", 'Ann "The Boss" Lee', "Lee, Ann (Sales)", "a@b", "日本" * 30, "x" * 120])
def test_names_of_every_kind_come_out_as_they_were(name: str) -> None:
    head = message_from_bytes(write_mail(mail(name=name)), policy=policy.compat32)["To"]
    shown, address = parseaddr(head)
    assert (str(make_header(decode_header(shown))), address) == (name, "ann@customer.example")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "there is no mail address"), ("ann", "is no mail address"), ("ann@x", "is no mail address"),
        ("a b@x.example", "is no mail address"), ("ann@x..example", "is no mail address"),
        ("änn@x.example", "is no mail address"), ("ann@x.example\n", "is no mail address"),
        ("no-reply@x.example", "nobody reads"), ("Postmaster@x.example", "nobody reads"),
        ("abuse+1@x.example", "nobody reads"), ("mailer-daemon@x.example", "nobody reads"),
    ],
)  # fmt: skip
def test_addresses_that_nobody_reads_are_refused(address: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        refuse_address(address)


def test_ordinary_addresses_are_taken() -> None:
    for address in ("ann@x.example", "o'neil+cs@mail.x.example", "info@x.example", "support@x.example"):
        refuse_address(address)


def test_a_text_that_is_too_long_is_refused_with_the_limit() -> None:
    with pytest.raises(ValueError, match=r"more than 100,000"):
        write_mail(mail(text="ü" * LONGEST_TEXT))


# ── unsubscribing ──


def parcel() -> Parcel:
    return Parcel(1, "k", "email", "ann@customer.example", "Ann", "d@team.example", "D", "Hi", "T", "marketing", 7)


def test_the_link_of_a_mail_stands_for_its_contact_and_class() -> None:
    more, line = Unsubscribing(b"k" * 32, "https://tend.team.example/", FROM[1]).headers("main", parcel())
    link = dict(more)["List-Unsubscribe"].strip("<>")
    assert dict(more)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert line.endswith(link)
    assert link.startswith("https://tend.team.example/unsubscribe/")
    assert read_token(b"k" * 32, link.rpartition("/")[2]) == ("main", 7, "marketing")


def test_without_a_public_address_a_mail_takes_its_place() -> None:
    more, line = Unsubscribing(b"k" * 32, None, FROM[1]).headers("main", parcel())
    (name, value), = more  # fmt: skip
    assert name == "List-Unsubscribe"
    assert value.startswith(f"<mailto:{FROM[1]}?subject=unsubscribe%20")
    assert "answer with" in line
    assert b"One-Click" not in write_mail(mail(extra=more))


# ── DKIM ──


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*kinds).decode()


def verified(raw: bytes, key: rsa.RSAPublicKey) -> dict[str, str]:
    """Check a signature as a receiver does (RFC 6376, 6.1.3). Returns its tags."""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = list(headers(head))
    assert fields[0][0] == "dkim-signature"
    value = fields[0][1]
    tags = dict(tag.strip().split("=", 1) for tag in value.split(";"))
    assert tags["bh"] == body_hash(body)
    present = dict(fields)
    lines = [f"{name.lower()}:{present[name.lower()]}\r\n" for name in tags["h"].split(":")]
    signed = "".join([*lines, f"dkim-signature:{relaxed(re.sub(r'b=[^;]*$', 'b=', value))}"])
    key.verify(base64.b64decode(tags["b"].replace(" ", "")), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return tags


def test_a_signature_holds_and_breaks_with_every_change(key: rsa.RSAPrivateKey) -> None:
    more = (("List-Unsubscribe", "<https://x.example/u>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    signed = Signer(pem(key), "s1", "team.example").sign(write_mail(mail(subject="Grüße " * 20, extra=more)), NOW)
    tags = verified(signed, key.public_key())
    assert (tags["d"], tags["s"], tags["a"], tags["c"]) == ("team.example", "s1", "rsa-sha256", "relaxed/relaxed")
    assert {"From", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"} <= set(tags["h"].split(":"))
    assert parsed(signed)["Subject"].strip() == ("Grüße " * 20).strip()
    for old, new in ((b"ann@customer", b"eve@customer"), (b"Hello Ann", b"Hello Eve")):
        assert old in signed
        with pytest.raises(Exception):  # noqa: B017, PT011  # a hash that differs, or a signature
            verified(signed.replace(old, new), key.public_key())


def test_a_signature_holds_however_white_space_was_changed_on_the_way(key: rsa.RSAPrivateKey) -> None:
    signed = Signer(pem(key), "s1", "team.example").sign(write_mail(mail(text="a  b\n\nc")), NOW)
    verified(signed.replace(b"a  b\r\n", b"a b \t\r\n") + b"\r\n\r\n", key.public_key())


def test_the_empty_body_has_the_hash_that_the_standard_names() -> None:
    assert body_hash(b"") == body_hash(b"\r\n\r\n") == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_a_key_may_be_a_file_and_must_be_rsa(key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(pem(key))
    Signer(str(tmp_path / "key.pem"), "s", "x.example")
    for bad in ("-----BEGIN nonsense", str(tmp_path / "missing.pem")):
        with pytest.raises((ValueError, OSError)):
            Signer(bad, "s", "x.example")


def test_a_message_is_called_the_same_in_every_attempt() -> None:
    assert message_id("draft-1-abc", FROM[1]) == "<draft-1-abc@team.example>"
    assert html_of("a\n\nb") == html_of("\na\n\n\nb\n")
