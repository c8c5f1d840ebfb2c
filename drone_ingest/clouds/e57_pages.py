"""The pages of an E57 file: 1,020 bytes of content and their CRC-32C, read by logical place and checked.

A page whose checksum is wrong raises `BadPage` with its place, so a reader can keep what came before.
"""

from typing import BinaryIO

from fastcrc import crc32

__all__ = ["BadPage", "Pages"]

_CRC_BYTES = 4


class BadPage(Exception):  # noqa: N818 - it is a place, not a verdict on the file
    """A page that is cut or whose checksum is wrong, by its byte in the file."""

    def __init__(self, byte: int, problem: str) -> None:
        self.byte, self.problem = byte, problem
        super().__init__(f"{problem} at byte {byte}")


class Pages:
    """Logical bytes of a paged file."""

    def __init__(self, file: BinaryIO, page_bytes: int) -> None:
        self._file, self._page = file, page_bytes
        self._content = page_bytes - _CRC_BYTES

    def over(self, file: BinaryIO) -> "Pages":
        """The same pages of another handle."""
        return Pages(file, self._page)

    def logical(self, physical: int) -> int:
        """The logical place of a byte of the file."""
        page, within = divmod(physical, self._page)
        return page * self._content + min(within, self._content)

    def physical(self, logical: int) -> int:
        """The byte of the file of a logical place."""
        page, within = divmod(logical, self._content)
        return page * self._page + within

    def read(self, logical: int, size: int) -> bytes:
        """`size` bytes from a logical place; raises BadPage at the first page that is not whole."""
        first, skip = divmod(logical, self._content)
        count = -(-(skip + size) // self._content)
        self._file.seek(first * self._page)
        raw = self._file.read(count * self._page)
        parts = []
        for number in range(count):
            page = raw[number * self._page : (number + 1) * self._page]
            at = (first + number) * self._page
            if len(page) < self._page:
                raise BadPage(at, "the file is cut")
            if crc32.iscsi(page[: self._content]).to_bytes(_CRC_BYTES, "big") != page[self._content :]:
                raise BadPage(at, "a page with a wrong checksum")
            parts.append(page[: self._content])
        return b"".join(parts)[skip : skip + size]
