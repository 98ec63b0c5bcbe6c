"""Safe streaming over the XML of one pain.001 file: no DTD, no entity, no network, bounded size."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

from symphony.submission.pain001_elements import NAMESPACES, Element, ElementRefused, Reader, line_of, local

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""Largest file."""

_SUPPORTED: Final = "pain.001.001.03 to pain.001.001.13"
_read_encoding: Final = re.compile(rb"""<\?xml[^>]{0,100}encoding\s*=\s*["']([^"']{1,40})["']""").match


def namespace_of(raw: bytes) -> str:
    """Check the file's size, encoding and head, and return the namespace of its Document.

    Raises:
        ElementRefused: FILE_TOO_LARGE, ENCODING_INVALID, XML_DTD or MESSAGE_NOT_SUPPORTED (all FF01).
        lxml.etree.XMLSyntaxError: the text is not well-formed.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise _bad_file("FILE_TOO_LARGE", f"the file is larger than {MAX_FILE_BYTES} bytes; split it")
    encoding = _read_encoding(raw.removeprefix(b"\xef\xbb\xbf"))
    if encoding is not None and encoding[1].upper() not in (b"UTF-8", b"US-ASCII"):
        raise _bad_file("ENCODING_INVALID", "the file must be UTF-8")
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise _bad_file("ENCODING_INVALID", "the file must be UTF-8") from None
    if b"<!DOCTYPE" in raw:
        raise _bad_file("XML_DTD", "a document type declaration is refused; send plain ISO 20022 XML")
    for _, element in _iterparse(raw, events=("start",)):
        if local(element) != "Document":
            continue
        namespace = str(element.tag).rpartition("}")[0].removeprefix("{")
        if namespace not in NAMESPACES:
            said = f"the message is not one of {_SUPPORTED}"
            raise _bad_file("MESSAGE_NOT_SUPPORTED", said, line_no=line_of(element))
        return namespace
    raise _bad_file("MESSAGE_NOT_SUPPORTED", f"the file has no Document of {_SUPPORTED}")


def _iterparse(
    raw: bytes, *, events: tuple[str, ...], tag: tuple[str, ...] | None = None
) -> Iterator[tuple[str, Element]]:
    """Parse with nothing loaded, nothing resolved and libxml2's limits on."""
    events_found: Iterator[tuple[str, Element]] = etree.iterparse(
        io.BytesIO(raw),
        events=events,
        tag=tag,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        resolve_entities=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    return events_found


# Each part and where it must lie below Document; a part elsewhere (in supplementary data) is no part.
_PARENTS: Final = {
    "Document": (),
    "CstmrCdtTrfInitn": ("Document",),
    "GrpHdr": ("CstmrCdtTrfInitn", "Document"),
    "PmtInf": ("CstmrCdtTrfInitn", "Document"),
    "CdtTrfTxInf": ("PmtInf", "CstmrCdtTrfInitn", "Document"),
}


def parts_of(raw: bytes, reader: Reader) -> Iterator[Element]:
    """Yield each part when it ends and empty it afterwards: use its children before the next step.

    Raises:
        ElementRefused: MESSAGE_NOT_SUPPORTED, for more than one Document or one too deep.
        lxml.etree.XMLSyntaxError: the text is not well-formed.
    """
    documents = 0
    tags = (*(reader.tag(name) for name in _PARENTS), "{*}Document")
    for _, element in _iterparse(raw, events=("end",), tag=tags):
        names = _PARENTS[local(element)]
        ancestors = [parent.tag for parent in element.iterancestors()]
        if ancestors[: len(names)] != [reader.tag(name) for name in names]:
            continue
        documents += local(element) == "Document"
        if documents > 1 or len(ancestors) > len(names) + 1:
            said = "the file must hold one Document, alone or in one envelope"
            raise _bad_file("MESSAGE_NOT_SUPPORTED", said, line_no=line_of(element))
        yield element
        if local(element) in ("CdtTrfTxInf", "PmtInf"):
            element.clear()


def _bad_file(reason_code: str, said: str, *, line_no: int = 1) -> ElementRefused:
    return ElementRefused(reason_code, "FF01", "", said, line_no=line_no)
