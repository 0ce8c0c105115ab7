"""Fails each operation of a registry on its disk, then lets the power go between any two: durability_faults.py SERVER SHIM WORK SEED [STEP].

`STEP` looks at every so-many-th place only.
"""

import copy
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
server_path, shim, work, seed = sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3]), int(sys.argv[4])
step = int(sys.argv[5]) if len(sys.argv) > 5 else 1
chance = random.Random(seed)
root, mark, trace = f"{work}/root", f"{work}/mark", f"{work}/trace"
config = f"{work}/config.yaml"
os.makedirs(work, exist_ok=True)
with open(config, "w", encoding="utf-8") as file:
    file.write("scrub: {rate: 0}\n")


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Server:
    """One on `root`; `address` is empty when it did not start."""

    def __init__(self, folder=root, **faults):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("BASALT_", "FAULT_"))}
        if faults:
            environment |= {"LD_PRELOAD": shim, "FAULT_ROOT": folder, **faults}
        self.process = subprocess.Popen([server_path, folder, config], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.address = self.process.stdout.readline().decode().strip()

    def ask(self, method, target, body=b"", kind=None):
        """The status and the body; 0 when there was no answer that is whole."""
        try:
            connection = http.client.HTTPConnection(self.address, timeout=30)
            connection.request(method, target, body, {"content-type": kind} if kind else {})
            answer = connection.getresponse()
            self.location = answer.getheader("location")
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def noise(length, number):
    return random.Random(number).randbytes(length)


def manifest(config_blob, layer, note):
    def descriptor(data):
        return {"mediaType": "application/x", "digest": digest(data), "size": len(data)}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(config_blob), "layers": [descriptor(layer)],
                       "annotations": {"n": note}}).encode()


SMALL, LARGE, PIECES = noise(300, 1), noise(70_000, 2), noise(150_000, 3)
ONE, TWO = manifest(SMALL, LARGE, "one"), manifest(SMALL, PIECES, "two")
CONTENT = {digest(data): data for data in (SMALL, LARGE, PIECES, ONE, TWO)}


def in_pieces(server):
    status, _ = server.ask("POST", "/v2/app/blobs/uploads/")
    if status != 202:
        return status
    place = server.location
    status, _ = server.ask("PATCH", place, PIECES[:80_000])
    if status != 202:
        return status
    return server.ask("PUT", f"{place}?digest={digest(PIECES)}", PIECES[80_000:])[0]


def post(data, repository="app"):
    return lambda server: server.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={digest(data)}", data)[0]


def put(data, tag):
    return lambda server: server.ask("PUT", f"/v2/app/manifests/{tag}", data, MANIFEST)[0]


def delete(what):
    return lambda server: server.ask("DELETE", f"/v2/app/{what}")[0]


def blob(data, repository="app"):
    return f"/v2/{repository}/blobs/{digest(data)}"


def named(name):
    return f"/v2/app/manifests/{name}"


# What is done, and what is to be had after it: by where it is, the digest, or None.
STEPS = [
    (post(SMALL), {blob(SMALL): digest(SMALL)}),
    (post(LARGE), {blob(LARGE): digest(LARGE)}),
    (put(ONE, "a"), {named("a"): digest(ONE), named(digest(ONE)): digest(ONE)}),
    (in_pieces, {blob(PIECES): digest(PIECES)}),
    (put(TWO, "b"), {named("b"): digest(TWO), named(digest(TWO)): digest(TWO)}),
    (put(TWO, "a"), {named("a"): digest(TWO)}),
    (post(LARGE, "other"), {blob(LARGE, "other"): digest(LARGE)}),
    (delete("manifests/b"), {named("b"): None}),
    (delete(f"manifests/{digest(ONE)}"), {named(digest(ONE)): None}),
    (delete(f"blobs/{digest(LARGE)}"), {blob(LARGE): None}),
    (put(TWO, "c"), {named("c"): digest(TWO)}),
]


def empty():
    return {place: {None} for _, effects in STEPS for place in effects}


def play(server, allowed, told=None):
    """Does all steps. `allowed` is what may be found after what was answered."""
    for work_of, effects in STEPS:
        status = work_of(server)
        for place, value in effects.items():
            if 200 <= status < 300:
                allowed[place] = {value}
            elif status == 0 or status >= 500:
                # Nobody was told: either is right.
                allowed[place] = allowed[place] | {value}
        if named(digest(ONE)) in effects and None in effects.values():
            # Its tags go with it, where one still named it.
            for tag in map(named, "abc"):
                if digest(ONE) in allowed[tag]:
                    kept = {digest(ONE)} if status == 0 or status >= 500 else set()
                    gone = {None} if status == 0 or status >= 500 or 200 <= status < 300 else {digest(ONE)}
                    allowed[tag] = allowed[tag] - {digest(ONE)} | kept | gone
        if told is not None:
            assert 200 <= status < 300, f"{status} without a fault"
            told.append((os.path.getsize(trace), copy.deepcopy(allowed)))


def look(server, allowed, where):
    """All is found as it may be, and what is found is whole."""
    for place, values in allowed.items():
        status, data = server.ask("GET", place)
        assert status in (200, 404), f"{where}: {place}: {status}"
        found = digest(data) if status == 200 else None
        assert found in values, f"{where}: {place} is {found}, not one of {values}"
        if found and "/manifests/" in place:
            document = json.loads(data)
            for needed in [document["config"], *document["layers"]]:
                status, data = server.ask("GET", f"/v2/app/blobs/{needed['digest']}")
                assert status == 200 and digest(data) == needed["digest"], f"{where}: {place} lacks {needed['digest']}: {status}"


def sound(folder, allowed, where):
    """A server without faults finds all, and takes the next push."""
    server = Server(folder)
    try:
        assert server.address, f"{where}: it does not start again"
        look(server, allowed, where)
        last = noise(66_000, 99)
        assert post(last, "last")(server) == 201, f"{where}: it takes no push"
        status, data = server.ask("GET", blob(last, "last"))
        assert status == 200 and data == last, f"{where}: what was pushed is not there"
    finally:
        server.kill()


def fresh(folder=root):
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)


def fail_each(kind, error, sticky):
    """Fails the first operation of a kind, the second, …, until none is left. How many there were."""
    number = 1
    while True:
        fresh()
        if os.path.exists(mark):
            os.unlink(mark)
        faults = {"FAULT_KIND": kind, "FAULT_ERROR": error, "FAULT_NUMBER": str(number), "FAULT_MARK": mark}
        if sticky:
            faults["FAULT_STICKY"] = "1"
        server, allowed = Server(**faults), empty()
        where = f"{kind} {number} fails with {error}{' from then on' if sticky else ''}"
        if server.address:
            play(server, allowed)
            # What was acknowledged can be read all the time.
            look(server, allowed, f"{where}, before the end")
        server.kill()
        sound(root, allowed, where)
        if not os.path.exists(mark):
            return number - 1
        number += step


class File:
    def __init__(self):
        self.durable, self.pending = b"", []

    def content(self, keep):
        data = bytearray(self.durable)
        for one, (what, offset, more) in enumerate(self.pending):
            if not keep(one):
                continue
            if what == "truncate":
                data = data[:offset].ljust(offset, b"\0")
            else:
                if len(data) < offset:
                    data.extend(bytes(offset - len(data)))
                data[offset:offset + len(more)] = more
        return bytes(data)


class Disk:
    """What a disk may hold: writes since a file's last flush, and names since their folder's, may be there or not."""

    def __init__(self):
        self.now, self.durable, self.pending = {}, {}, []

    def do(self, what, path, other, offset, data):
        if what in ("create", "mkdir"):
            made = File() if what == "create" else None
            self.now[path] = made
            self.pending.append((what, path, "", made))
        elif what == "rename":
            self.now[other] = self.now.pop(path)
            self.pending.append((what, path, other, None))
        elif what == "unlink":
            self.now.pop(path, None)
            self.pending.append((what, path, "", None))
        elif what in ("write", "truncate"):
            self.now[path].pending.append((what, offset, data))
        elif what == "sync":
            found = self.now.get(path)
            if isinstance(found, File):
                found.durable, found.pending = found.content(lambda _: True), []
            else:
                self.flush_names(path)

    def flush_names(self, folder):
        wanted = set()
        # Backwards: what an operation builds on is on the disk before it.
        for place in range(len(self.pending) - 1, -1, -1):
            _, path, other, _ = self.pending[place]
            paths = {one for one in (path, other) if one}
            if any(os.path.dirname(one) == folder for one in paths) or paths & {p for w in wanted for p in self.pending[w][1:3] if p}:
                wanted.add(place)
        for place in sorted(wanted):
            self.name(self.durable, self.pending[place])
        self.pending = [one for place, one in enumerate(self.pending) if place not in wanted]

    @staticmethod
    def name(names, operation):
        what, path, other, made = operation
        if what in ("create", "mkdir"):
            names[path] = made
        elif what == "unlink":
            names.pop(path, None)
        elif path in names:
            names[other] = names.pop(path)

    def write_out(self, folder, keep_names, keep_writes):
        names = dict(self.durable)
        for operation in self.pending:
            if keep_names():
                self.name(names, operation)
        fresh(folder)
        for path, found in sorted(names.items()):
            target = folder + path[len(root):]
            # A folder that is lost takes along what is in it.
            if not os.path.isdir(os.path.dirname(target)):
                continue
            if found is None:
                os.makedirs(target, exist_ok=True)
            else:
                with open(target, "wb") as file:
                    file.write(found.content(lambda _: keep_writes()))


def operations():
    """What was traced, each with where it ends in the trace."""
    with open(trace, "rb") as file:
        while line := file.readline():
            what, path, other, offset, length = line.decode().rstrip("\n").split("\t")
            data = file.read(int(length)) if what == "write" else b""
            yield file.tell(), (what, path, other, int(offset), data)


def lose_power():
    """Lets the power go after each operation, in four ways. How many ends were looked at."""
    fresh()
    if os.path.exists(trace):
        os.unlink(trace)
    server, told, allowed = Server(FAULT_TRACE=trace), [], empty()
    play(server, allowed, told)
    server.kill()
    disk, looked, after = Disk(), 0, f"{work}/after"
    for number, (end, operation) in enumerate(operations()):
        disk.do(*operation)
        if number % step:
            continue
        acknowledged = [state for size, state in told if size <= end]
        allowed = copy.deepcopy(acknowledged[-1]) if acknowledged else empty()
        # What was being done may be there or not.
        for place, value in (STEPS[len(acknowledged)][1] if len(acknowledged) < len(STEPS) else {}).items():
            allowed[place].add(value)
        ways = {
            "all that was not flushed is lost": (lambda: False, lambda: False),
            "names are lost": (lambda: False, lambda: True),
            "bytes are lost": (lambda: True, lambda: False),
            "some of it is lost": (lambda: chance.random() < 0.5, lambda: chance.random() < 0.5),
        }
        for way, (names, writes) in ways.items():
            disk.write_out(after, names, writes)
            sound(after, allowed, f"power lost after operation {number} ({operation[0]} {operation[1][len(root):]}), {way}")
            looked += 1
    return looked


began = time.monotonic()
for kind, error, sticky in [
    ("write", "EIO", False), ("write", "ENOSPC", False), ("write", "SHORT", False), ("write", "ENOSPC", True), ("sync", "EIO", False),
    ("sync", "EIO", True), ("rename", "EIO", False), ("create", "ENOSPC", False), ("truncate", "EIO", False), ("remove", "EIO", False),
]:
    count = fail_each(kind, error, sticky)
    assert count > 0 or kind in ("truncate", "remove"), f"no {kind} was reached"
    print(f"{kind} {error}{' from then on' if sticky else ''}: {count} places", flush=True)
print(f"power lost: {lose_power()} ends", flush=True)
print(f"seed {seed}: {time.monotonic() - began:.0f} s")
