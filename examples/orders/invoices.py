"""Renders invoices to PDF files."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

from fpdf import FPDF

FOLDER_VARIABLE = "INVOICES_FOLDER"


def path_of(order_number: int) -> Path:
    """Where the invoice of an order is."""
    return Path(os.environ[FOLDER_VARIABLE], f"invoice-{order_number}.pdf")


def render(order_number: int, customer: str, lines: list[str], total: Decimal, payment: str) -> Path:
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
    pdf.output(str(beside))
    beside.replace(path)
    return path
