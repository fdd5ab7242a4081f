# SPDX-License-Identifier: Apache-2.0
"""Messages over HTTPS and JSON as simply as it is commonly done, for their bytes on the wire.

A client posts a message with a token in a header, and holds a GET open that the server answers when something has come, or after a
while with nothing; keep-alive connections, HTTP/1.1, the headers that a browser's client and an ordinary server send. A client that
waits and sends needs two connections. Server and clients are one process; TLS 1.3 by Python's ssl.
"""
import json
import queue
import socket
import ssl
import struct
import threading
import time

LONE_MESSAGES = 60
KEEP_ALIVES = 10
QUIET_SECONDS = 0.06
PATIENCE = 10
# From linux/tcp.h: tcpi_segs_out and tcpi_segs_in in struct tcp_info.
SEGMENTS_AT = 136
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class Ended(Exception):
    """The other side closed the connection, or said what is no HTTP."""


def read_message(stream):
    """(first line, body) of one request or answer with a Content-Length."""
    first = stream.readline(8192).decode("latin-1").strip()
    if not first:
        raise Ended
    length = 0
    while True:
        line = stream.readline(8192).decode("latin-1").strip()
        if not line:
            break
        name, colon, value = line.partition(":")
        if not colon:
            raise Ended
        if name.lower() == "content-length":
            length = int(value)
    body = stream.read(length)
    if len(body) != length:
        raise Ended
    return first, body


def answer(body):
    return (f"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: keep-alive\r\n"
            "Cache-Control: no-store\r\n\r\n").encode() + body


def request(method, path, token, body=b""):
    head = (f"{method} {path} HTTP/1.1\r\nHost: chat.example.org\r\nUser-Agent: {USER_AGENT}\r\nAccept: application/json\r\n"
            f"Accept-Encoding: gzip, deflate, br\r\nAuthorization: Bearer {token}\r\n")
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return (head + "Connection: keep-alive\r\n\r\n").encode() + body


class Server:
    """A thread a connection; a queue of messages a user."""

    def __init__(self, certificate):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.waiting = {}
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self.context.wrap_socket(connection, server_side=True) as tls, tls.makefile("rb") as stream:
                while True:
                    first, body = read_message(stream)
                    tls.sendall(answer(self.handle(first.split()[1], body)))
        except (OSError, ssl.SSLError, Ended, ValueError, IndexError, KeyError):
            pass

    def handle(self, path, body):
        """POST /messages, GET /messages?user=NAME&wait=SECONDS, POST /login."""
        if path == "/login":
            user = json.loads(body)["user"]
            self.waiting.setdefault(user, queue.Queue())
            return json.dumps({"token": token_of(user), "expires_in": 3600}).encode()
        if path == "/messages":
            message = json.loads(body)
            self.waiting[message["to"]].put(message)
            return json.dumps({"id": message["id"]}).encode()
        fields = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
        try:
            return json.dumps({"messages": [self.waiting[fields["user"]].get(timeout=float(fields["wait"]))]}).encode()
        except queue.Empty:
            return b'{"messages":[]}'


def token_of(user):
    """As long as a session's token usually is: 32 bytes in base64."""
    return (user + "0" * 43)[:43]


class Connection:
    """One of a client's, with what it sent and got."""

    def __init__(self, port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="chat.example.org")
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes_out = self.bytes_in = 0
        self.plain = b""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.take()
        self.flush()

    def flush(self):
        records = self.outgoing.read()
        if records:
            self.socket.sendall(records)
            self.bytes_out += len(records)

    def take(self):
        records = self.socket.recv(65536)
        if not records:
            raise Ended
        self.bytes_in += len(records)
        self.incoming.write(records)

    def send(self, plain):
        self.tls.write(plain)
        self.flush()

    def receive(self):
        """The body of the next answer, in JSON."""
        while True:
            head, end, rest = self.plain.partition(b"\r\n\r\n")
            if end:
                length = int(next(line for line in head.decode().lower().split("\r\n") if line.startswith("content-length"))[15:])
                if len(rest) >= length:
                    self.plain = rest[length:]
                    return json.loads(rest[:length])
            try:
                self.plain += self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.take()

    def counts(self):
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        return [self.bytes_out, self.bytes_in, *struct.unpack_from("II", info, SEGMENTS_AT)]


class Client:
    """Two connections: one that waits, one that sends."""

    def __init__(self, port, user):
        self.user = user
        self.sender = Connection(port)
        body = json.dumps({"user": user, "password": "secret"}).encode()
        self.sender.send(request("POST", "/login", "", body))
        self.token = self.sender.receive()["token"]
        self.waiter = Connection(port)

    def wait(self, seconds):
        self.waiter.send(request("GET", f"/messages?user={self.user}&wait={seconds}", self.token))

    def post(self, to, number):
        text = f"{self.user} {number} ".ljust(100, "x")
        body = json.dumps({"id": number, "to": to, "from": self.user, "text": text}).encode()
        self.sender.send(request("POST", "/messages", self.token, body))
        if self.sender.receive()["id"] != number:
            raise Ended
        return text


def _traffic(clients):
    time.sleep(QUIET_SECONDS)
    return [sum(values) for values in zip(*(c.counts() for client in clients for c in (client.sender, client.waiter)))]


def _each(after, before, count):
    names = ("bytes_out", "bytes_in", "segments_out", "segments_in")
    return {name: round((a - b) / count, 3) for name, a, b in zip(names, after, before)}


def measure(certificate):
    """Two clients write to each other in turn: the same object as bench_wire's."""
    server = Server(certificate)
    clients = [Client(server.port, user) for user in ("u0", "u1")]
    login = _traffic(clients)
    for client in clients:
        client.wait(300)
    waiting = _traffic(clients)
    for i in range(LONE_MESSAGES):
        sender, recipient = clients[i % 2], clients[1 - i % 2]
        text = sender.post(recipient.user, i + 1)
        got = recipient.waiter.receive()["messages"]
        if [message["text"] for message in got] != [text]:
            raise Ended
        recipient.wait(300)
        time.sleep(QUIET_SECONDS)
    lone = _traffic(clients)
    # An idle connection: a GET that is answered with nothing, and the next one.
    for client in clients:
        client.post(client.user, 0)
        client.waiter.receive()
    idle = _traffic(clients)
    for _ in range(KEEP_ALIVES):
        for client in clients:
            client.wait(0.1)
            if client.waiter.receive()["messages"]:
                raise Ended
        time.sleep(QUIET_SECONDS)
    end = _traffic(clients)
    server.listener.close()
    return {"login": _each(login, [0] * 4, 2), "lone_message": _each(lone, waiting, LONE_MESSAGES),
            "keep_alive": _each(end, idle, 2 * KEEP_ALIVES), "busy_message": None}
