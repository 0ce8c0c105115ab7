"""Pushes and pulls through a registry's address until SIGTERM, without a second try: kubernetes_crowd.py HOST AUTHORITY USER PASSWORD.

Every request has a connection of its own, as those of new clients have. Some take seconds, so that servers that go down have them at hand:
longer than a server waits before it stops.
"""

import base64
import hashlib
import http.client
import json
import os
import signal
import ssl
import sys
import threading
import time

host, authority, user, password = sys.argv[1:]
trust = ssl.create_default_context(cafile=authority)
credentials = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
counts, failures, lock = {"short": 0, "long": 0}, [], threading.Lock()


def slowly(data, seconds):
    step = len(data) // 20
    for start in range(0, len(data), step):
        yield data[start : start + step]
        time.sleep(seconds / 20)


def request(method, path, expected, body=None, kind=None, seconds=0):
    begun = time.monotonic()
    try:
        connection = http.client.HTTPSConnection(host, timeout=30, context=trust)
        headers = {"authorization": credentials, "content-type": kind or "application/octet-stream"}
        if body is not None:
            headers["content-length"] = str(len(body))
        connection.request(method, path, slowly(body, seconds) if seconds and body else body, headers)
        answer = connection.getresponse()
        content = b""
        while part := answer.read(1 << 20):
            content += part
            time.sleep(0 if body else seconds / 20)
        connection.close()
        assert answer.status == expected, f"{answer.status}: {content[:200]}"
    except Exception as error:  # Whatever goes wrong is a request that was lost.
        with lock:
            failures.append(f"{time.strftime('%T')} {method} {path}: {type(error).__name__} {error}, after {time.monotonic() - begun:.1f} s")
        return None
    with lock:
        counts["long" if seconds else "short"] += 1
    return content


def push_and_pull(name, size, push_seconds, pull_seconds):
    data = os.urandom(size)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    if request("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", 201, data, seconds=push_seconds) is None:
        return
    kind = "application/vnd.oci.image.manifest.v1+json"
    part = {"mediaType": "application/octet-stream", "digest": digest, "size": size}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": part, "layers": [part]}).encode()
    tag = digest[7:27]
    if request("PUT", f"/v2/{name}/manifests/{tag}", 201, manifest, kind) is None:
        return
    for path, expected, seconds in [(f"manifests/{tag}", manifest, 0), (f"blobs/{digest}", data, pull_seconds)]:
        content = request("GET", f"/v2/{name}/{path}", 200, seconds=seconds)
        if content not in (None, expected):
            with lock:
                failures.append(f"{path} has other bytes")


def crowd(*what):
    while not ended.wait(0.05):
        push_and_pull(*what)


threads = [threading.Thread(target=crowd, args=("crowd/short", 100_000, 0, 0)) for _ in range(2)]
threads += [threading.Thread(target=crowd, args=("crowd/long", 20_000_000, 35, 35)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(f"{counts['short']} short and {counts['long']} long requests, {len(failures)} lost")
print("\n".join(failures[:20]))
sys.exit(bool(failures) or not counts["short"] or not counts["long"])
