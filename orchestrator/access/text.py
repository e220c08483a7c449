"""The text of a token: `orc_<identifier>_<secret><checksum>`.

The beginning lets scanners find tokens that were published by accident, and people see what they hold. The checksum
(CRC-32, as GitHub has it in its tokens) lets a scanner tell a token from a text that merely looks like one, and lets
us refuse one that was cut or mistyped without asking the database.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from string import ascii_letters, ascii_lowercase, digits
from zlib import crc32

IDENTIFIER_LETTERS = digits + ascii_lowercase
SECRET_LETTERS = digits + ascii_letters
IDENTIFIER_LENGTH = 12
SECRET_LENGTH = 43
"""So many letters out of 62 are 256 bits."""
CHECKSUM_LENGTH = 6
WRITTEN = re.compile(
    rf"orc_(?P<identifier>[0-9a-z]{{{IDENTIFIER_LENGTH}}})"
    rf"_(?P<secret>[0-9A-Za-z]{{{SECRET_LENGTH}}})(?P<checksum>[0-9A-Za-z]{{{CHECKSUM_LENGTH}}})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class TokenText:
    """The two parts of a token: the public identifier, and the secret, which its `repr` does not show."""

    identifier: str
    secret: str = field(repr=False)

    @staticmethod
    def new() -> TokenText:
        """A text that nobody has seen."""
        return TokenText(
            "".join(secrets.choice(IDENTIFIER_LETTERS) for _ in range(IDENTIFIER_LENGTH)),
            "".join(secrets.choice(SECRET_LETTERS) for _ in range(SECRET_LENGTH)),
        )

    @staticmethod
    def parse(text: str) -> TokenText | None:
        """The parts of a text; None where it is no token, or one that was cut or mistyped."""
        match = WRITTEN.fullmatch(text)
        if match is None:
            return None
        parsed = TokenText(match["identifier"], match["secret"])
        return parsed if parsed.written() == text else None

    def written(self) -> str:
        """The whole text: what a client keeps and sends."""
        text = f"orc_{self.identifier}_{self.secret}"
        return text + _in_letters(crc32(text.encode()))

    def digest(self) -> str:
        """SHA-256 of the secret, in hexadecimal: all that is stored of it.

        A slow hash, made for passwords, would cost every request and gain nothing: it hinders guessing where people
        choose among few words, and nobody guesses one of 2 to the power of 256 secrets drawn at random.
        """
        return sha256(self.secret.encode()).hexdigest()


def _in_letters(number: int) -> str:
    letters = ""
    for _ in range(CHECKSUM_LENGTH):
        number, place = divmod(number, len(SECRET_LETTERS))
        letters = SECRET_LETTERS[place] + letters
    return letters
