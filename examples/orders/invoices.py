"""Renders invoices to PDF files, and reads back what they say."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from fpdf import FPDF

FOLDER_VARIABLE = "INVOICES_FOLDER"
END = re.compile(rb"startxref\n(\d+)\n%%EOF\s*\Z")
STREAM = re.compile(rb"stream\n(.*?)\nendstream", re.DOTALL)


class BrokenInvoice(Exception):
    """This file is no whole PDF."""


def folder() -> Path:
    """Where the invoices are."""
    return Path(os.environ[FOLDER_VARIABLE])


def path_of(order_number: int) -> Path:
    """Where the invoice of an order is."""
    return folder() / f"invoice-{order_number}.pdf"


def render(order_number: int, customer: str, lines: Sequence[str], total: Decimal, payment: str) -> Path:
    """Render an invoice and return its file, which is there as a whole or not at all; doing it again is harmless."""
    pdf = FPDF()
    pdf.set_title(f"Invoice of order {order_number}")
    pdf.add_page()
    pdf.set_font("Helvetica", size=18)
    pdf.cell(text=f"Invoice of order {order_number}", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", size=11)
    for line in (f"To {customer}", *lines, f"Total {total}", f"Paid by {payment}"):
        pdf.cell(text=line.encode("latin-1", "replace").decode("latin-1"), new_x="LMARGIN", new_y="NEXT")
    path = path_of(order_number)
    beside = path.with_suffix(f".{os.getpid()}.part")
    with beside.open("wb") as file:
        file.write(pdf.output())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return path


def text_of(path: Path) -> str:
    """What is drawn on an invoice. Raises BrokenInvoice where the file is no whole PDF."""
    content = path.read_bytes()
    end = END.search(content)
    if not content.startswith(b"%PDF-") or end is None or not content[int(end[1]) :].startswith(b"xref"):
        raise BrokenInvoice(f"{path} is no whole PDF file")
    try:
        return b"".join(zlib.decompress(stream) for stream in STREAM.findall(content)).decode("latin-1")
    except zlib.error as error:
        raise BrokenInvoice(f"{path} cannot be read: {error}") from error
