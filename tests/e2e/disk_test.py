# SPDX-License-Identifier: Apache-2.0
"""A gateway whose disk really fills up, or turns read-only: a small tmpfs of the test's own, which needs root."""
import json
import os
import subprocess
import tempfile
import unittest

from gateway import Gateway, texts


@unittest.skipUnless(os.geteuid() == 0, "mounting a tmpfs needs root")
class SmallDisk(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="godwit-disk-")
        self.disk = os.path.join(self.folder, "disk")
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "godwit-test", self.disk], check=True)
        self.addCleanup(os.rmdir, self.folder)
        self.addCleanup(os.rmdir, self.disk)
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        self.gateway = Gateway(shards=1)
        self.addCleanup(self.gateway.destroy)
        self.gateway.data = os.path.join(self.disk, "data")
        self.gateway.socket = os.path.join(self.gateway.data, "admin.sock")
        self.gateway.start()
        for name in ("alice", "bob"):
            self.assertEqual(self.gateway.register(name).returncode, 0)

    def send(self, *lines):
        """The texts accepted and the sentences of those refused."""
        sent = self.gateway.client("alice", "send", "bob@localhost", "-", stdin="".join(line + "\n" for line in lines))
        accepted = sent.stdout.splitlines()
        refused = sent.stderr.splitlines()
        self.assertEqual(len(accepted) + len(refused), len(lines), sent.stderr)
        self.assertEqual(sent.returncode, 1 if refused else 0)
        return accepted, refused

    def store_line(self):
        return self.gateway.control("status").stdout.split("message store")[1].splitlines()[0]

    def received(self):
        result = self.gateway.client("bob", "receive", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def fill(self):
        path = os.path.join(self.disk, "filler")
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        return path

    def test_full_then_room_again(self):
        accepted, refused = self.send("first")
        self.assertEqual((len(accepted), refused), (1, []))
        self.assertIn("ok", self.store_line())
        filler = self.fill()
        kept = ["first"]
        # Room left inside the files may still take some; then every one is refused.
        for i in range(200):
            text = f"{i} " + "x" * 30_000
            accepted, refused = self.send(text)
            if accepted:
                kept.append(text)
            else:
                break
        self.assertEqual(len(refused), 1, "200 messages of 30 kB fitted on a full disk")
        self.assertIn("full", refused[0])
        self.assertNotIn("ok", self.store_line())
        self.assertIn("full", self.gateway.log())
        # To somebody who is there, messages go on: they need no disk. Bob is there once he has what was kept.
        follower = subprocess.Popen(self.gateway.client_words("bob", "receive", "--count", str(len(kept) + 1),
                                                              "--timeout", "30"), text=True, stdout=subprocess.PIPE)
        self.addCleanup(follower.kill)
        got = [follower.stdout.readline() for _ in kept]
        accepted, refused = self.send("live")
        self.assertEqual((len(accepted), refused), (1, []))
        got.append(follower.communicate(timeout=30)[0])
        self.assertEqual(texts("".join(got)), kept + ["live"])
        # With room again, so does the store, without a restart.
        os.remove(filler)
        for _ in range(30):
            accepted, refused = self.send("afterwards")
            if accepted:
                break
        self.assertEqual(len(accepted), 1, refused)
        self.assertEqual([o["text"] for o in self.received()], ["afterwards"])

    def test_killed_while_full(self):
        accepted, _ = self.send("first", "second")
        self.assertEqual(len(accepted), 2)
        self.fill()
        self.gateway.kill()
        self.gateway.start()
        self.assertEqual([o["text"] for o in self.received()], ["first", "second"])

    def test_read_only_store(self):
        accepted, _ = self.send("before")
        self.assertEqual(len(accepted), 1)
        self.gateway.kill()
        store = os.path.join(self.gateway.data, "store")
        subprocess.run(["mount", "--bind", store, store], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", store], check=False, capture_output=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", store], check=True)
        self.gateway.start()
        accepted, refused = self.send("x")
        self.assertEqual(accepted, [])
        self.assertEqual(len(refused), 1)
        self.assertIn("cannot keep it", refused[0])
        self.assertNotIn("ok", self.store_line())
        self.gateway.kill()
        subprocess.run(["umount", store], check=True)
        self.gateway.start()
        accepted, refused = self.send("after")
        self.assertEqual((len(accepted), refused), (1, []))
        self.assertEqual([o["text"] for o in self.received()], ["before", "after"])


if __name__ == "__main__":
    unittest.main()
