"""Writes to a shared mapping: python3 mapped.py FILE 0|1|check PAGES. Each writer has its halves of all pages."""
import mmap, random, sys

path, what, pages = sys.argv[1], sys.argv[2], int(sys.argv[3])


def half(page, side):
    return bytes([1 + (page * 7 + side * 101) % 255]) * 2048


with open(path, "r+b") as file:
    with mmap.mmap(file.fileno(), pages * 4096) as memory:
        if what == "check":
            for page in range(pages):
                for side in (0, 1):
                    at = page * 4096 + side * 2048
                    assert memory[at : at + 2048] == half(page, side), f"page {page}, half {side} of the mapping"
                    file.seek(at)
                    assert file.read(2048) == half(page, side), f"page {page}, half {side} of the file"
        else:
            side = int(what)
            order = list(range(pages))
            random.Random(side).shuffle(order)
            for count, page in enumerate(order):
                at = page * 4096 + side * 2048
                memory[at : at + 2048] = half(page, side)
                if count % 256 == 255:
                    memory.flush()
            memory.flush()
