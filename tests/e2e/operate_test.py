# SPDX-License-Identifier: Apache-2.0
"""What an operator sees and does, with the real programs."""
import json
import os
import socket
import sqlite3
import time
import unittest

from gateway import Gateway, texts


class Operate(unittest.TestCase):
    def with_users(self, *names):
        gateway = Gateway()
        self.addCleanup(gateway.destroy)
        gateway.start()
        for name in names:
            self.assertEqual(gateway.register(name).returncode, 0)
        return gateway

    def queues(self, gateway, *words):
        done = gateway.control("--json", "queues", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["queues"]

    def test_queues_of_accounts_that_nobody_has_used_since_the_start(self):
        gateway = self.with_users("alice", "bob", "carol")
        for name in ("bob", "bob", "carol"):
            self.assertEqual(gateway.client("alice", "send", f"{name}@localhost", "x").returncode, 0)
        for restart in (False, True):
            if restart:
                gateway.kill()
                gateway.start()
            rows = self.queues(gateway, "top")
            self.assertEqual([(row["account"], row["in_store"], row["connected"]) for row in rows],
                             [("bob@localhost", 2, False), ("carol@localhost", 1, False)])
            self.assertGreater(rows[0]["oldest"], 1_600_000_000)
        self.assertEqual([row["in_store"] for row in self.queues(gateway, "show", "carol")], [1])
        self.assertEqual(gateway.control("queues", "show", "nobody").returncode, 1)
        self.assertIn("OLDEST STORED", gateway.control("queues", "top").stdout)
        done = gateway.control("queues", "purge", "bob@localhost/1")
        self.assertIn("2 message(s) erased", done.stdout)
        deadline = time.monotonic() + 10  # the answer does not wait for the disk
        while len(self.queues(gateway, "top")) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual([row["account"] for row in self.queues(gateway, "top")], ["carol@localhost"])

    def test_store_files_of_other_versions(self):
        gateway = self.with_users("alice", "bob")
        self.assertEqual(gateway.client("alice", "send", "bob@localhost", "kept").returncode, 0)
        gateway.stop()
        store = os.path.join(gateway.data, "store")
        for name in os.listdir(store):  # as the first version left them
            with sqlite3.connect(os.path.join(store, name)) as file:
                file.execute("PRAGMA user_version=1")
                file.execute("PRAGMA application_id=0")
            file.close()
        gateway.start()
        done = gateway.client("bob", "receive", "--count", "1", "--timeout", "10")
        self.assertEqual(texts(done.stdout), ["kept"])
        gateway.stop()
        with sqlite3.connect(os.path.join(gateway.data, "accounts.db")) as file:
            file.execute("PRAGMA user_version=1000")
        file.close()
        with self.assertRaisesRegex(AssertionError, "newer"):
            gateway.start()

    def test_the_service_manager_hears_of_readiness_and_of_the_end(self):
        gateway = Gateway()
        self.addCleanup(gateway.destroy)
        path = os.path.join(gateway.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(15)
            os.environ["NOTIFY_SOCKET"] = path
            self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
            gateway.start()
            self.assertEqual(listener.recv(100), b"READY=1")
            self.assertEqual(listener.recv(100), b"WATCHDOG=1")
            self.assertEqual(gateway.stop(), 0)
            while True:
                said = listener.recv(100)
                if said != b"WATCHDOG=1":
                    break
            self.assertEqual(said, b"STOPPING=1")


if __name__ == "__main__":
    unittest.main()
