# SPDX-License-Identifier: Apache-2.0
"""The real gateway under real strangers: silent ones, half-open handshakes, floods, garbage and recordings. Attackers have an
address of their own; each test ends with a message that arrives. Bounded in time and number."""
import contextlib
import select
import socket
import subprocess
import threading
import time
import unittest

from gateway import Gateway, texts

# Preamble for XX, and a first message that is 32 bytes of an ephemeral key.
HELLO = b"GW\x01\x11" + b"\x00\x00\x20" + bytes(range(32))


def limits(exempt="", more=""):
    return f'[limits]\nhandshake_timeout_ms = 1000\nexempt_addresses = "{exempt}"\n{more}'


class Strangers(unittest.TestCase):
    def gateway(self, more="", shards=1):
        """The limits of `more` do not hold for good clients."""
        gateway = Gateway(shards=shards)
        self.addCleanup(gateway.destroy)
        gateway.config = limits(gateway.client_host, more)
        gateway.start()
        for name in ("alice", "bob"):
            self.assertEqual(gateway.register(name).returncode, 0)
        return gateway

    def connect(self, gateway):
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.settimeout(5)
        connection.bind((gateway.stranger_host, 0))
        with contextlib.suppress(ConnectionResetError):  # refused at once: is_closed() tells
            connection.connect((gateway.host, gateway.port))
        return connection

    def is_closed(self, connection, timeout=5):
        """Reads what comes until the other side has closed; False when it has not in time."""
        connection.settimeout(timeout)
        try:
            while connection.recv(4096):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True

    def count_closed(self, connections):
        time.sleep(0.3)
        return sum(self.is_closed(connection, 0.01) for connection in connections)

    def still_serves(self, gateway, text="still here"):
        start = time.monotonic()
        sent = gateway.client("alice", "send", "bob@localhost", text)
        self.assertEqual(sent.returncode, 0, sent.stderr)
        received = gateway.client("bob", "receive")
        self.assertIn(text, texts(received.stdout))
        self.assertLess(time.monotonic() - start, 10)
        self.assertIsNone(gateway.process.poll())

    def refused(self, gateway, reason):
        return gateway.metric(f'connections_refused_total{{shard="0",reason="{reason}"}}')

    def test_slow_and_silent_ones_have_their_time_and_no_more(self):
        gateway = self.gateway()
        silent = [self.connect(gateway) for _ in range(20)]
        half_open = [self.connect(gateway) for _ in range(20)]
        for connection in half_open:
            connection.sendall(HELLO)
        slow = self.connect(gateway)
        start = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in HELLO * 3:
                slow.sendall(bytes([byte]))
                time.sleep(0.05)
                if time.monotonic() - start > 4:
                    break
        self.assertTrue(self.is_closed(slow))
        self.assertLess(time.monotonic() - start, 4)
        self.assertEqual(self.count_closed(silent + half_open), 40)
        self.assertGreaterEqual(gateway.metric('handshakes_total{shard="0",result="timed-out"}'), 41)
        self.still_serves(gateway)

    def test_a_flood_of_connections_meets_the_limits_of_its_address(self):
        gateway = self.gateway("connections_per_address = 30\nunauthenticated_per_address = 20\n"
                               "connections_per_address_burst = 50\nconnections_per_address_per_second = 1\n")
        first = [self.connect(gateway) for _ in range(25)]
        self.assertEqual(self.count_closed(first), 5)
        self.assertEqual(self.refused(gateway, "address-unauthenticated"), 5)
        self.still_serves(gateway)
        for connection in first:
            connection.close()
        time.sleep(0.2)
        for _ in range(60):
            self.connect(gateway).close()
            time.sleep(0.002)
        time.sleep(0.2)
        self.assertGreater(self.refused(gateway, "address-rate"), 20)
        self.still_serves(gateway, "again")
        # Read again, the rule is gone.
        gateway.configure(limits(gateway.client_host, "connections_per_address = 0\nunauthenticated_per_address = 0\n"
                                 "connections_per_address_per_second = 0\n"))
        self.assertEqual(gateway.control("reload").returncode, 0)
        # Shards have it a turn after the answer.
        for _ in range(50):
            if self.count_closed([self.connect(gateway)]) == 0:
                break
        self.assertEqual(self.count_closed([self.connect(gateway) for _ in range(30)]), 0)

    def test_garbage_is_answered_by_a_closed_door(self):
        gateway = self.gateway("handshake_failures_per_address_per_minute = 3\n")
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", HELLO + b"\xff\xff\xff", b"GW\x01\x11\x00\x00\x05hello"):
            connection = self.connect(gateway)
            connection.sendall(garbage)
            self.assertTrue(self.is_closed(connection), garbage)
        self.assertTrue(self.is_closed(self.connect(gateway)))
        self.assertEqual(self.refused(gateway, "address-failures"), 1)
        self.still_serves(gateway)

    def test_a_flood_of_registrations(self):
        gateway = self.gateway()
        gateway.configure(limits(more="registrations_per_address_per_hour = 2\n"))
        self.assertEqual(gateway.control("reload").returncode, 0)
        results = [gateway.register(f"user{i}") for i in range(3)]
        self.assertEqual([result.returncode for result in results], [0, 0, 1])
        self.assertIn("too many registrations", results[2].stderr)
        self.assertEqual(gateway.metric("registrations_address_limited_total"), 1)
        self.still_serves(gateway)

    def test_recordings_say_nothing_twice(self):
        gateway = self.gateway()
        relay = Relay(gateway)
        self.addCleanup(relay.close)
        self.with_carol(gateway, relay)
        sent = gateway.client("carol", "send", "bob@localhost", "spoken once")
        self.assertEqual(sent.returncode, 0, sent.stderr)
        before = gateway.metric("logins_accepted_total")
        recorded = bytes(relay.recorded[-1])
        self.assertGreater(len(recorded), 200)
        for size in (len(recorded), 150):
            connection = self.connect(gateway)
            connection.sendall(recorded[:size])
            self.assertTrue(self.is_closed(connection))
        self.assertEqual(gateway.metric("logins_accepted_total"), before)
        self.assertEqual(texts(gateway.client("bob", "receive").stdout), ["spoken once"])
        self.still_serves(gateway)

    def test_garbage_after_login_ends_that_session_alone(self):
        gateway = self.gateway()
        relay = Relay(gateway)
        self.addCleanup(relay.close)
        self.with_carol(gateway, relay)
        before = gateway.metric("frames_malformed_total")
        relay.garbage = b"\x00\x00\x20" + bytes(32)
        follower = subprocess.Popen(gateway.client_words("carol", "receive", "--follow"), stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 5
            while time.monotonic() < end and gateway.metric("frames_malformed_total") == before:
                time.sleep(0.05)
            self.assertEqual(gateway.metric("frames_malformed_total"), before + 1)
            self.still_serves(gateway)
        finally:
            follower.kill()
            follower.wait()

    def with_carol(self, gateway, relay):
        """A user whose client goes through the relay."""
        registered = gateway.client("carol", "register", "carol@localhost", "--server", f"127.0.0.1:{relay.port}")
        self.assertEqual(registered.returncode, 0, registered.stderr)


class Relay:
    """Stands between a client and the gateway, writes down what the client says, connection by connection, and adds
    `garbage`, once, when the gateway has greeted the session."""

    def __init__(self, gateway):
        self.recorded = []
        self.garbage = b""
        self.target = (gateway.host, gateway.port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        self.listener.close()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.recorded.append(bytearray())
                with client, socket.create_connection(self.target) as server, contextlib.suppress(OSError):
                    self.carry(client, server, self.recorded[-1])

    def carry(self, client, server, recorded):
        answers = 0
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for source in select.select([client, server], [], [], 0.2)[0]:
                data = source.recv(65536)
                if not data:
                    return
                (server if source is client else client).sendall(data)
                if source is client:
                    recorded.extend(data)
                    continue
                answers += 1
                if self.garbage and answers == 2:  # the first was the handshake's
                    garbage, self.garbage = self.garbage, b""
                    server.sendall(garbage)


if __name__ == "__main__":
    unittest.main(verbosity=2)
