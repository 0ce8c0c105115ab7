"""Several servers of one registry, clients that change server with every request, and all that goes wrong meanwhile:
replicas_history.py SERVER FOLDER CONFIG SERVERS SECONDS SEED FAULTS RESTART.

FAULTS is a pipe that store_faults.py reads; RESTART a command that ends the database at once and starts it again. Afterwards the history
of each tag must be one that a single server could have: no acknowledged write is lost, no read goes back, no tag lacks what it names."""

import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

program, folder, config = sys.argv[1:4]
count, seconds, seed = int(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6])
faults, restart = sys.argv[7], sys.argv[8]
chance = random.Random(seed)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CLIENTS = 6
TAGS = ["one", "two", "three", "four"]
# Longer than a transaction of a server that stopped may be open.
STOPPED = 14.0


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Unknown(Exception):
    """Whether it was done is not known."""


class Refused(Exception):
    """It was not done."""


class Server:
    def __init__(self, number):
        self.number, self.process, self.address = number, None, None
        self.start()

    def start(self):
        log = open(f"{folder}/server-{self.number}.log", "ab")
        self.process = subprocess.Popen([program, f"{folder}/root-{self.number}", config], stdout=subprocess.PIPE, stderr=log)
        self.address = self.process.stdout.readline().decode().strip()
        assert self.address, f"the server {self.number} does not start: see its log"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


servers = [Server(number) for number in range(count)]
ending = threading.Event()
counted, counting = {}, threading.Lock()


def note(what):
    with counting:
        counted[what] = counted.get(what, 0) + 1


def ask(own, method, target, body=b"", headers=()):
    """One request at any of the servers."""
    server = own.choice(servers)
    connection = http.client.HTTPConnection(server.address, timeout=20)
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        data = answer.read()
        status, headers = answer.status, {name.lower(): value for name, value in answer.getheaders()}
    except (OSError, http.client.HTTPException) as error:
        note("connection broken")
        raise Unknown(str(error)) from error
    finally:
        connection.close()
    # Whatever breaks off is to be tried again, and said so.
    assert status < 500 or status == 503, f"{method} {target}: {status} {data[:200]!r}"
    if status >= 500:
        note(f"status {status}")
        raise Unknown(f"{method} {target}: {status} {data[:200]!r}")
    return status, data, headers


def again(own, method, target, body=b"", headers=()):
    """A request that may be made twice without harm."""
    for _ in range(60):
        try:
            return ask(own, method, target, body, headers)
        except Unknown:
            time.sleep(own.uniform(0.05, 0.5))
    raise Unknown(f"{method} {target}: no server answers")


def push_blob(own, data):
    """In parts, each at another server; behind a part whose fate is not known the status says where to go on."""
    name = digest(data)
    status, _, headers = again(own, "POST", f"/v2/app-{count}/blobs/uploads/")
    assert status == 202, status
    place, offset = headers["location"], 0
    while offset < len(data):
        part = data[offset:offset + own.choice([70_000, 200_000, 1_000_000])]
        last = offset + len(part) - 1
        ranges = [("content-range", f"{offset}-{last}"), ("content-type", "application/octet-stream")]
        try:
            status, _, headers = ask(own, "PATCH", place, part, ranges)
        except Unknown:
            status, headers = 0, {}
        if status != 202:
            status, _, headers = again(own, "GET", place)
            if status == 404:
                raise Refused("the upload is gone")
            assert status == 204, status
            note("gone on at another server")
        # Of an empty upload the range says the same as of one with one byte.
        end = int(headers["range"].split("-")[1]) + 1
        offset = 0 if end == 1 else end
    try:
        status, body, _ = ask(own, "PUT", f"{place}?digest={name}")
    except Unknown:
        status, _, _ = again(own, "HEAD", f"/v2/app-{count}/blobs/{name}")
        if status == 404:
            raise Refused("the upload was not finished") from None
        return name
    if status == 404:
        raise Refused("the upload is gone")
    assert status == 201, f"{status} {body!r}"
    return name


class Operation:
    def __init__(self, kind, tag, value):
        self.kind, self.tag, self.value = kind, tag, value
        self.begin, self.end, self.done = time.monotonic(), None, None

    def ended(self, done, value=None):
        self.end, self.done = time.monotonic(), done
        if self.kind == "read":
            self.value = value


class Client(threading.Thread):
    def __init__(self, number):
        super().__init__()
        self.own, self.number = random.Random(seed * 1000 + number), number
        self.history, self.blobs, self.wrong = [], [], None

    def run(self):
        turn = 0
        while not ending.is_set() and self.wrong is None:
            turn += 1
            try:
                if self.own.random() < 0.5:
                    self.write(turn)
                else:
                    self.read()
            except Unknown:
                note("given up")
            except Refused:
                note("refused")
            except Exception as error:  # Whatever it is, the run has failed.
                self.wrong = error

    def write(self, turn):
        data = self.own.randbytes(self.own.choice([100, 30_000, 300_000, 2_500_000]))
        blob = push_blob(self.own, data)
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"n": f"{self.number}-{turn}"}, "layers": [],
            "config": {"mediaType": "application/x", "digest": blob, "size": len(data)}}).encode()
        tag = self.own.choice(TAGS + [f"own-{self.number}-{turn}"])
        operation = Operation("write", tag, digest(manifest))
        self.history.append(operation)
        try:
            status, body, _ = ask(self.own, "PUT", f"/v2/app-{count}/manifests/{tag}", manifest, [("content-type", MANIFEST)])
        except Unknown:
            operation.end = time.monotonic()
            raise
        # The blob may have been collected meanwhile: then the manifest must be refused.
        assert status in (201, 404), f"{status} {body!r}"
        operation.ended(status == 201)
        note("written" if status == 201 else "refused for a blob that was collected")

    def read(self):
        tag = self.own.choice(TAGS)
        operation = Operation("read", tag, None)
        status, body, _ = ask(self.own, "GET", f"/v2/app-{count}/manifests/{tag}")
        assert status in (200, 404), status
        operation.ended(True, digest(body) if status == 200 else None)
        self.history.append(operation)
        note("read")


def nemesis():
    """One thing at a time goes wrong, and is put right again."""
    def store(**shares):
        faults_pipe.write(json.dumps(shares) + "\n")
        faults_pipe.flush()

    kinds = ["kill", "kill", "stop", "refuse", "lose", "twice", "database"]
    chance.shuffle(kinds)
    turn = 0
    while not ending.wait(chance.uniform(0.5, 2)):
        kind = kinds[turn % len(kinds)]
        turn += 1
        note(f"fault: {kind}")
        server = chance.choice(servers)
        if kind == "kill":
            server.kill()
            time.sleep(chance.uniform(0, 2))
            server.start()
        elif kind == "stop":
            server.process.send_signal(signal.SIGSTOP)
            time.sleep(STOPPED)
            server.process.send_signal(signal.SIGCONT)
        elif kind == "database":
            subprocess.run(restart, shell=True, check=True, stdout=subprocess.DEVNULL)
        else:
            store(**{kind: 0.4})
            time.sleep(chance.uniform(1, 4))
            store(**{kind: 0.0})


def check_history(operations):
    """What no single server could have answered."""
    for tag in sorted({operation.tag for operation in operations}):
        own = [operation for operation in operations if operation.tag == tag]
        writes = {operation.value: operation for operation in own if operation.kind == "write" and operation.done is not False}
        sure = [write for write in writes.values() if write.done]
        reads = sorted((operation for operation in own if operation.kind == "read"), key=lambda read: read.begin)
        for read in reads:
            written = writes.get(read.value)
            assert read.value is None or written, f"{tag}: a read has what nobody wrote"
            assert written is None or written.begin < read.end, f"{tag}: a read has what was not written yet"
            for write in sure:
                # A write that ended before the read began, and began after the one that the read has had ended, was lost.
                later = written is None or (written.done and written.end < write.begin)
                assert not (write.end < read.begin and later), f"{tag}: an acknowledged write is lost"
        for first in reads:
            for second in reads:
                if first.end < second.begin and first.value and second.value:
                    former, latter = writes[first.value], writes[second.value]
                    assert not (latter.done and latter.end < former.begin), f"{tag}: a read went back"
    return len(operations)


faults_pipe = open(faults, "w", encoding="utf-8")
clients = [Client(number) for number in range(CLIENTS)]
trouble = threading.Thread(target=nemesis)
for thread in clients + [trouble]:
    thread.start()
deadline = time.monotonic() + seconds
while time.monotonic() < deadline and all(client.wrong is None for client in clients):
    time.sleep(0.5)
ending.set()
for thread in clients + [trouble]:
    thread.join()
for client in clients:
    if client.wrong is not None:
        raise client.wrong
history = [operation for client in clients for operation in client.history]
# Afterwards each tag is read at each server, and all that it names.
last = random.Random(seed)
everything = sorted({operation.tag for operation in history if operation.kind == "write"})
for tag in everything:
    for server in servers:
        connection = http.client.HTTPConnection(server.address, timeout=60)
        operation = Operation("read", tag, None)
        connection.request("GET", f"/v2/app-{count}/manifests/{tag}")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 404), answer.status
        operation.ended(True, digest(body) if answer.status == 200 else None)
        history.append(operation)
        if answer.status == 200:
            blob = json.loads(body)["config"]["digest"]
            connection.request("GET", f"/v2/app-{count}/blobs/{blob}")
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200 and digest(body) == blob, f"{tag}: what it names is not there: {answer.status}"
        connection.close()
checked = check_history(history)
for server in servers:
    server.process.send_signal(signal.SIGTERM)
    server.process.wait()
print(f"seed {seed}: {count} servers, {checked} operations on {len(everything)} tags:")
print(", ".join(f"{what} {number}" for what, number in sorted(counted.items())))
wanted = ["written", "read", "gone on at another server"]
sys.exit(f"there was too little: {counted}" if any(counted.get(what, 0) < 10 for what in wanted) else 0)
