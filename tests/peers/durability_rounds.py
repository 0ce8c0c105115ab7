"""Kills a registry again and again, and looks for what it had acknowledged: durability_rounds.py SERVER ROOT ROUNDS SEED PLACES LINES.

PLACES are those at which it can be made to end, with commas between; LINES a file that is added to the configuration."""

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

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PUSHERS = 4
# A round that reaches none of its places is ended all the same. Garbage comes late: it is kept for a second.
LONGEST = 6.0

program, root, rounds, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
PLACES = sys.argv[5].split(",")
with open(sys.argv[6], encoding="utf-8") as lines:
    more = lines.read()
chance = random.Random(seed)
config = root + ".yaml"
with open(config, "w", encoding="utf-8") as file:
    # Garbage is collected all the time, but nothing of what is tagged is any.
    file.write('collect: {grace: 1 second, untagged: 0 seconds, every: 0 seconds}\nscrub: {rate: 1 GB}\n' + more)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Server:
    def __init__(self, failpoint=None):
        environment = dict(os.environ)
        environment.pop("BASALT_FAILPOINT", None)
        if failpoint:
            environment["BASALT_FAILPOINT"] = failpoint
        self.process = subprocess.Popen([program, root, config], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.address = self.process.stdout.readline().decode().strip()

    def connect(self):
        return http.client.HTTPConnection(self.address, timeout=20)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def ask(connection, method, target, body=b"", headers=()):
    connection.request(method, target, body, dict(headers))
    answer = connection.getresponse()
    return answer.status, answer.read(), answer


class Pusher(threading.Thread):
    """Pushes until the server is gone; `tags` and `blobs` are what it was told is there."""

    def __init__(self, server, name, chance):
        super().__init__()
        self.server, self.chance, self.base = server, chance, name
        self.blobs, self.tags, self.wrong = {}, {}, None

    def run(self):
        try:
            connection = self.server.connect()
            for number in range(100_000):
                self.push(connection, number)
        except (OSError, http.client.HTTPException):
            pass
        except AssertionError as error:
            self.wrong = error

    def push(self, connection, number):
        data = self.chance.randbytes(self.chance.choice([0, 10, 4096, 65536, 65537, 200_000]))
        name = digest(data)
        way = self.chance.randrange(3)
        if way == 0:
            status, _, _ = ask(connection, "POST", f"/v2/app/blobs/uploads/?digest={name}", data)
        else:
            status, _, answer = ask(connection, "POST", "/v2/app/blobs/uploads/")
            assert status == 202, status
            place, middle = answer.getheader("location"), 0
            if way == 2:
                middle = len(data) // 2
                status, _, _ = ask(connection, "PATCH", place, data[:middle])
                assert status == 202, status
            status, _, _ = ask(connection, "PUT", f"{place}?digest={name}", data[middle:])
        assert status == 201, status
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"n": f"{self.base}-{number}"}, "layers": [],
            "config": {"mediaType": "application/x", "digest": name, "size": len(data)}}).encode()
        # Some tags are moved on and on: what they named before is garbage at once.
        tag = self.base if self.chance.random() < 0.3 else f"{self.base}-{number}"
        # Until the answer is here, either is right.
        former = self.tags.get(tag, {None})
        self.tags[tag] = former | {digest(manifest)}
        status, _, _ = ask(connection, "PUT", f"/v2/app/manifests/{tag}", manifest, [("content-type", MANIFEST)])
        # The blob may have been collected meanwhile: then it must be refused.
        assert status in (201, 404), status
        self.tags[tag] = {digest(manifest)} if status == 201 else former


def check(server, tags):
    """Each tag names what it should, whole."""
    connection = server.connect()
    for tag, allowed in tags.items():
        status, data, _ = ask(connection, "GET", f"/v2/app/manifests/{tag}")
        if status == 404:
            assert None in allowed, f"the tag {tag} is lost"
            continue
        assert status == 200, f"{tag}: {status}"
        assert digest(data) in allowed, f"the tag {tag} names another manifest than was acknowledged"
        config = json.loads(data)["config"]["digest"]
        status, data, _ = ask(connection, "GET", f"/v2/app/blobs/{config}")
        assert status == 200, f"{tag}: its blob {config}: {status}"
        assert digest(data) == config, f"{tag}: its blob has other bytes"


everything, killed_at = {}, {}
began = time.monotonic()
for number in range(rounds):
    place = chance.choice(PLACES + ["random"] * 3)
    failpoint = None if place == "random" else f"{place}:{chance.randint(1, 40)}"
    server = Server(failpoint)
    pushers = [Pusher(server, f"r{number}p{one}", random.Random(chance.random())) for one in range(PUSHERS)]
    for pusher in pushers:
        pusher.start()
    if failpoint is None:
        time.sleep(chance.uniform(0.02, 0.4))
    else:
        end = time.monotonic() + LONGEST
        while server.process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
    reached = "random" if failpoint is None or server.process.poll() is None else place
    killed_at[reached] = killed_at.get(reached, 0) + 1
    server.kill()
    tags = {}
    for pusher in pushers:
        pusher.join()
        assert pusher.wrong is None, f"round {number}: an answer of {pusher.wrong}"
        tags.update(pusher.tags)
    everything.update(tags)
    server = Server()
    check(server, tags)
    server.kill()
server = Server()
check(server, everything)
# It takes the next push.
last = Pusher(server, "last", random.Random(seed))
last.push(server.connect(), 0)
server.kill()
print(f"seed {seed}: {rounds} rounds in {time.monotonic() - began:.0f} s, {len(everything)} tags; ended at:")
print(", ".join(f"{place} {count}" for place, count in sorted(killed_at.items())))
missed = [place for place in PLACES if place not in killed_at]
sys.exit(f"never reached: {missed}" if missed and rounds >= 300 else 0)
