"""Point a loaded library's imported functions elsewhere, by rewriting its global offset table (ELF, 64 bit).

A preload with RTLD_GLOBAL reaches only libraries loaded after it, any of them, and cannot rename: the
wheel's `scipy_cblas_sgemm` would need a compiled shim. Rewriting the entries of one library touches nothing
else and needs no compiler. Source: System V gABI, chapter 5; `man 5 elf`.
"""

import ctypes
import mmap
import struct
from pathlib import Path

PT_LOAD, PT_DYNAMIC = 1, 2
DT_PLTRELSZ, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_JMPREL = 2, 5, 6, 7, 8, 23
SLOT_TYPES = {62: (6, 7), 183: (1025, 1026)}  # by e_machine, x86-64 and aarch64: GLOB_DAT, JUMP_SLOT
Segment = tuple[int, int, int, int]  # type, offset in the file, address, bytes in the file


class RebindError(Exception):
    """The library cannot be rebound; the message says why."""


def rebind(library: Path, addresses: dict[str, int]) -> None:
    """Make every call of `library`, loaded in this process, to these functions go to these addresses."""
    slots = import_slots(library.read_bytes(), set(addresses))
    missing = sorted(set(addresses) - {name for name, _ in slots})
    if missing:
        raise RebindError(f"{library.name} does not import {', '.join(missing)}")
    base = _base_address(library)
    for name, offset in slots:
        _make_writable(base + offset)
        ctypes.c_uint64.from_address(base + offset).value = addresses[name]


def import_slots(image: bytes, names: set[str]) -> list[tuple[str, int]]:
    """The entries of an ELF image's offset table for these imported names: (name, address less the base)."""
    if image[:6] != b"\x7fELF\x02\x01":
        raise RebindError("not a 64-bit little-endian ELF library")
    (machine,) = struct.unpack_from("<H", image, 18)
    if machine not in SLOT_TYPES:
        raise RebindError(f"ELF machine {machine} is not supported (allowed: x86-64, aarch64)")
    segments = _segments(image)
    dynamic = _dynamic(image, segments)
    found = []
    for table, size in ((DT_RELA, DT_RELASZ), (DT_JMPREL, DT_PLTRELSZ)):
        if table not in dynamic:
            continue
        start = _file_offset(segments, dynamic[table])
        for offset, info, _ in struct.iter_unpack("<QQq", image[start : start + dynamic[size]]):
            if info & 0xFFFFFFFF in SLOT_TYPES[machine]:
                name = _symbol_name(image, segments, dynamic, info >> 32)
                if name in names:
                    found.append((name, offset))
    return found


def _segments(image: bytes) -> list[Segment]:
    """The program headers."""
    (start,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    rows = (struct.unpack_from("<IIQQQQ", image, start + i * size) for i in range(count))
    return [(kind, offset, address, length) for kind, _, offset, address, _, length in rows]


def _dynamic(image: bytes, segments: list[Segment]) -> dict[int, int]:
    for kind, offset, _, length in segments:
        if kind == PT_DYNAMIC:
            return dict(struct.iter_unpack("<QQ", image[offset : offset + length]))
    raise RebindError("not a shared library: it has no dynamic section")


def _file_offset(segments: list[Segment], address: int) -> int:
    for kind, offset, start, length in segments:
        if kind == PT_LOAD and start <= address < start + length:
            return offset + address - start
    raise RebindError(f"address {address:#x} is outside the file")


def _symbol_name(image: bytes, segments: list[Segment], dynamic: dict[int, int], index: int) -> str:
    symbol = _file_offset(segments, dynamic[DT_SYMTAB]) + 24 * index
    start = _file_offset(segments, dynamic[DT_STRTAB]) + struct.unpack_from("<I", image, symbol)[0]
    return image[start : image.index(b"\0", start)].decode()


def _base_address(library: Path) -> int:
    """Where the library is mapped: its first line in /proc/self/maps."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5] == str(library.resolve()) and int(fields[2], 16) == 0:
            return int(fields[0].split("-")[0], 16)
    raise RebindError(f"{library.name} is not loaded in this process")


def _make_writable(address: int) -> None:
    """Some builds make the table read-only after loading (RELRO)."""
    page = address & ~(mmap.PAGESIZE - 1)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_WRITE):
        raise RebindError(f"the system forbids writing to the offset table (errno {ctypes.get_errno()})")
