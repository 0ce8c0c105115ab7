"""A way to a store that fails as networks and stores do: store_faults.py TARGET SEED prints its address, then does what each line of its
standard input says: a share of requests for each kind of fault, as JSON {"refuse": 0.1, "lose": 0.1, "twice": 0.1}."""

import http.client
import http.server
import json
import random
import socketserver
import sys
import threading

target, chance = sys.argv[1], random.Random(int(sys.argv[2]))
shares = {"refuse": 0.0, "lose": 0.0, "twice": 0.0}
HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class Way(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def forward(self, body):
        connection = http.client.HTTPConnection(target, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        length = answer.getheader("content-length") if self.command == "HEAD" else str(len(data))
        connection.close()
        return answer.status, [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP], data, length

    def serve(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        fate = chance.random()
        if fate < shares["refuse"]:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        fate -= shares["refuse"]
        if fate < shares["twice"]:
            self.forward(body)
        status, headers, data, length = self.forward(body)
        fate -= shares["twice"]
        if 0 <= fate < shares["lose"]:
            # It was done, but nobody hears of it.
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 100


server = Server(("127.0.0.1", 0), Way)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"127.0.0.1:{server.server_address[1]}", flush=True)
for line in sys.stdin:
    shares.update(json.loads(line))
