"""Crowds a server: limits_crowd.py ADDRESS PID CONNECTIONS MEGABYTES."""

import re
import socket
import sys
import time
import urllib.request

address, pid, count, most = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
host, port = address.rsplit(":", 1)
HALF = b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\n"
SENT = [
    b"",
    HALF,
    HALF + b"\r\n",
    b"PUT /v2/app/manifests/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000000\r\n\r\n{",
    HALF + b"x: " + b"y" * 60_000,
]


def peak():
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) // 1024


def answers():
    with urllib.request.urlopen(f"http://{address}/healthz", timeout=90) as answer:
        return answer.read() == b"ok\n"


begun = time.monotonic()
for name, weights in [("that rest", [1, 0, 0, 0, 0]), ("of all kinds", [40, 30, 20, 8, 2])]:
    crowd = []
    for number in range(count):
        place, kind = number % sum(weights), 0
        while place >= weights[kind]:
            place -= weights[kind]
            kind += 1
        try:
            connection = socket.create_connection((host, int(port)), timeout=2)
            connection.setblocking(False)
            connection.send(SENT[kind])
            crowd.append(connection)
        except OSError:
            # There is no place for one more until others have had their time.
            pass
    print(f"{len(crowd)} connections {name}: {peak()} MB at most so far, after {time.monotonic() - begun:.0f} s")
    assert answers(), "no answer"
    print(f"answered after {time.monotonic() - begun:.0f} s")
    for connection in crowd:
        connection.close()
assert peak() <= most, f"{peak()} MB"
