"""Prints as JSON what a Python in a container can do, so that images can be compared: run there, not here."""

import ctypes
import ctypes.util
import hashlib
import importlib
import json
import locale
import socket
import sqlite3
import ssl
import sys
import threading
import zoneinfo
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from encodings.aliases import aliases


def attempt(action):
    """What an action returns, or the kind of its failure."""
    try:
        return action()
    except (Exception, SystemExit) as error:
        return f"fails: {type(error).__name__}"


def digest(name):
    """The digest of a text, also where one must say how long it is to be."""
    one = hashlib.new(name, b"a text")
    return one.hexdigest(16) if name.startswith("shake") else one.hexdigest()


def convert(to, text):
    """A text in another encoding, by the C library."""
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    libc.iconv_open.restype = ctypes.c_void_p
    libc.iconv.argtypes = [ctypes.c_void_p] + [ctypes.c_void_p] * 4
    handle = libc.iconv_open(to.encode(), b"UTF-8")
    if handle in (None, ctypes.c_void_p(-1).value):
        return "unknown"
    source, target = ctypes.create_string_buffer(text.encode()), ctypes.create_string_buffer(100)
    read, write = ctypes.c_char_p(ctypes.addressof(source)), ctypes.c_char_p(ctypes.addressof(target))
    left, room = ctypes.c_size_t(len(source) - 1), ctypes.c_size_t(100)
    libc.iconv(handle, ctypes.byref(read), ctypes.byref(left), ctypes.byref(write), ctypes.byref(room))
    return target.raw[: 100 - room.value].hex()


def search(text):
    """What SQLite finds in a text that is indexed."""
    base = sqlite3.connect(":memory:")
    base.execute("create virtual table page using fts5(words)")
    base.execute("insert into page values (?)", (text,))
    return base.execute("select json_array(words) from page where page match 'second'").fetchone()


def threads():
    """A sum by threads, with memory of their own."""
    own = threading.local()

    def work(number):
        own.number = number
        return own.number**2

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(work, range(100)))


def square(number):
    return number**2


def processes():
    """A sum by other processes: they need semaphores in shared memory."""
    with ProcessPoolExecutor(2) as pool:
        return sum(pool.map(square, range(10)))


def offset(zone):
    return str(datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo(zone)).utcoffset())


LIBRARIES = "c m dl pthread rt resolv ssl crypto z bz2 lzma expat ffi sqlite3 ncursesw tinfo readline uuid gcc_s nothing".split()
# One opens a browser, one prints a poem; the others are no modules of the runtime.
ASIDE = {"antigravity", "this", "idlelib", "__main__"}


def main():
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    context = ssl.create_default_context()
    print(
        json.dumps(
            {
                "hashes": {name: attempt(lambda: digest(name)) for name in sorted(hashlib.algorithms_available)},
                "guaranteed": sorted(hashlib.algorithms_guaranteed),
                "derived": attempt(lambda: hashlib.scrypt(b"a", salt=b"b", n=2, r=8, p=1).hex()),
                "encodings": {name: attempt(lambda: "a text".encode(name).hex()) for name in sorted(set(aliases.values()))},
                "converted": {name: attempt(lambda: convert(name, "ä€")) for name in ("UTF-7", "UTF-16LE", "UTF-16", "UTF-32BE", "UCS-2", "UCS-4", "ASCII//TRANSLIT", "ISO-8859-1", "LATIN9", "WINDOWS-1252", "none")},
                "zones": {zone: attempt(lambda: offset(zone)) for zone in sorted(zoneinfo.available_timezones())},
                "locale": [locale.nl_langinfo(locale.CODESET), locale.strcoll("a", "b"), "Ä".lower(), sys.getfilesystemencoding()],
                "libraries": {name: attempt(lambda: ctypes.util.find_library(name)) for name in LIBRARIES},
                "threads": attempt(threads),
                "processes": attempt(processes),
                "sqlite": [sqlite3.sqlite_version, attempt(lambda: search("a second text")), sqlite3.connect(":memory:").execute("pragma compile_options").fetchall()],
                "ssl": [ssl.OPENSSL_VERSION, sorted(one["name"] for one in context.get_ciphers()), len(context.get_ca_certs())],
                "names": [attempt(lambda: socket.gethostbyname("a.test.of.ours")), attempt(lambda: socket.getaddrinfo("none.test.of.ours", 80)), attempt(lambda: socket.getservbyname("https")), attempt(lambda: socket.getprotobyname("tcp"))],
                "modules": {name: attempt(lambda: bool(importlib.import_module(name))) for name in sorted(sys.stdlib_module_names - ASIDE)},
            },
            sort_keys=True,
        )
    )


if __name__ == "__main__":
    main()
