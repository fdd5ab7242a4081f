# SPDX-License-Identifier: Apache-2.0
"""The gateway as its users meet it: real binaries, real SQLite, loopback. Each test has its own gateway."""
import glob
import json
import os
import random
import signal
import socket
import struct
import subprocess
import time
import unittest

from gateway import USERSPACE, Gateway, program, texts


class EndToEnd(unittest.TestCase):
    def gateway(self, **options):
        gateway = Gateway(**options)
        self.addCleanup(gateway.destroy)
        return gateway.start()

    def with_users(self, *names, **options):
        gateway = self.gateway(**options)
        for name in names:
            registered = gateway.register(name)
            self.assertEqual(registered.returncode, 0, registered.stderr)
        return gateway

    def send(self, gateway, sender, recipient, *lines):
        sent = gateway.client(sender, "send", f"{recipient}@localhost", "-", stdin="".join(line + "\n" for line in lines))
        self.assertEqual(sent.returncode, 0, sent.stderr)
        accepted = sent.stdout.splitlines()
        self.assertEqual(len(accepted), len(lines))
        for line in accepted:
            self.assertRegex(line, r"^\d+ accepted$")

    def received(self, gateway, name, *words):
        result = gateway.client(name, "receive", *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        return texts(result.stdout)

    def test_message_waits_for_an_absent_device(self):
        gateway = self.with_users("alice", "bob")
        self.send(gateway, "alice", "bob", "one", "two", "three")
        self.assertEqual(self.received(gateway, "bob"), ["one", "two", "three"])
        self.assertEqual(self.received(gateway, "bob"), [])

    def test_both_connected(self):
        gateway = self.with_users("alice", "bob")
        follower = subprocess.Popen(gateway.client_words("bob", "receive", "--count", "50"), text=True,
                                    stdout=subprocess.PIPE)
        lines = [f"message {i}" for i in range(50)]
        self.send(gateway, "alice", "bob", *lines)
        self.assertEqual(texts(follower.communicate(timeout=30)[0]), lines)

    def test_json_and_odd_texts(self):
        gateway = self.with_users("alice", "bob")
        odd = ["", " ", "ünïcödé 🐦", "tab\there", "x" * 59507]
        self.send(gateway, "alice", "bob", *odd)
        result = gateway.client("bob", "receive", "--json")
        objects = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([o["text"] for o in objects], odd)
        self.assertEqual({o["from"] for o in objects}, {"alice@localhost/1"})
        self.assertRegex(objects[0]["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_two_devices_of_one_account(self):
        gateway = self.with_users("alice", "bob")
        refused = gateway.register("bob", home="bob2")
        self.assertEqual(refused.returncode, 1)
        invite = gateway.control("--json", "invites", "create", "--account", "bob@localhost")
        code = json.loads(invite.stdout)["invite"]["code"]
        second = gateway.register("bob", "--invite", code, home="bob2")
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertIn("bob@localhost/2", second.stdout)
        self.send(gateway, "alice", "bob", "to both")
        self.assertEqual(self.received(gateway, "bob"), ["to both"])
        self.assertEqual(self.received(gateway, "bob2"), ["to both"])

    def test_a_device_that_was_added_gets_the_next_message(self):
        gateway = self.with_users("alice", "bob")
        self.send(gateway, "alice", "bob", "to the first")
        invite = gateway.control("--json", "invites", "create", "--account", "bob@localhost")
        code = json.loads(invite.stdout)["invite"]["code"]
        second = gateway.register("bob", "--invite", code, home="bob2")
        self.assertEqual(second.returncode, 0, second.stderr)
        # Alice's list of bob's devices is seconds old.
        self.send(gateway, "alice", "bob", "to both", "and again")
        self.assertEqual(self.received(gateway, "bob"), ["to the first", "to both", "and again"])
        self.assertEqual(self.received(gateway, "bob2"), ["to both", "and again"])
        self.assertGreaterEqual(gateway.metric("device_lists_sent_total"), 1)
        named = gateway.metric("device_lists_sent_total")
        self.send(gateway, "alice", "bob", "known by now")
        self.assertEqual(gateway.metric("device_lists_sent_total"), named)
        self.assertEqual(self.received(gateway, "bob2"), ["known by now"])
        self.assertEqual(self.received(gateway, "bob2"), [])

    def test_unknown_recipient_is_an_error_and_stops_nothing(self):
        gateway = self.with_users("alice", "bob")
        lost = gateway.client("alice", "send", "nobody@localhost", "hello")
        self.assertEqual(lost.returncode, 1)
        self.assertIn("no such account", lost.stderr)
        self.assertEqual(lost.stderr.count("\n"), 1)
        self.send(gateway, "alice", "bob", "after it")
        self.assertEqual(self.received(gateway, "bob"), ["after it"])

    def test_wrong_operator_key(self):
        gateway = self.gateway()
        wrong = gateway.register("alice", "--operator-key", "00" * 32)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("operator", wrong.stderr)
        right = gateway.register("alice", "--operator-key", gateway.operator_key)
        self.assertEqual(right.returncode, 0, right.stderr)

    def test_names_and_words(self):
        gateway = self.gateway()
        for name in ("UPPER", "sp ace", "", "x" * 65):
            self.assertEqual(gateway.register(name, home="h").returncode, 2, name)
        self.assertEqual(gateway.client("h", "send", "x@localhost", "text").returncode, 1)
        for words in (["frobnicate"], ["receive", "--count", "0"], []):
            self.assertEqual(gateway.client("h", *words).returncode, 2, words)
        for name in ("godwit", "godwitd", "godwitctl"):
            self.assertEqual(subprocess.run([program(name), "--help"], capture_output=True, check=False).returncode, 0)
            self.assertEqual(subprocess.run([program(name), "--version"], capture_output=True, check=False).returncode, 0)

    def test_no_gateway(self):
        gateway = self.with_users("alice")
        gateway.kill()
        failed = gateway.client("alice", "send", "bob@localhost", "hello", "--timeout", "1")
        self.assertEqual(failed.returncode, 1)
        self.assertIn("is godwitd running there?", failed.stderr)

    def test_kill_between_messages_and_other_shards(self):
        gateway = self.with_users("alice", "bob", shards=2)
        self.send(gateway, "alice", "bob", "before")
        for shards in (1, 3):
            gateway.kill()
            gateway.shards = shards
            gateway.start()
            self.send(gateway, "alice", "bob", f"after {shards}")
        self.assertEqual(self.received(gateway, "bob"), ["before", "after 1", "after 3"])

    def test_terminates_on_signal(self):
        gateway = self.with_users("alice", "bob")
        self.send(gateway, "alice", "bob", "kept")
        self.assertEqual(gateway.stop(), 0)
        gateway.start()
        self.assertEqual(self.received(gateway, "bob"), ["kept"])

    def test_second_connection_replaces_the_first(self):
        gateway = self.with_users("alice", "bob")
        first = subprocess.Popen(gateway.client_words("bob", "receive", "--follow"), text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(first.kill)
        self.wait_for(lambda: gateway.status()["sessions"] == 1)
        # The same device from a copy of its folder, as a restored backup would.
        os.system(f"cp -r {gateway.home('bob')} {gateway.home('copy')}")
        self.assertEqual(self.received(gateway, "copy"), [])
        _, error = first.communicate(timeout=20)
        self.assertEqual(first.returncode, 1)
        self.assertIn("another connection of this device took over", error)

    def test_suspended_and_removed(self):
        gateway = self.with_users("alice", "bob")
        self.assertEqual(gateway.control("accounts", "suspend", "bob@localhost").returncode, 0)
        self.assertIn("suspended", gateway.client("bob", "receive").stderr)
        self.assertEqual(gateway.client("alice", "send", "bob@localhost", "x").returncode, 1)
        self.assertEqual(gateway.control("accounts", "resume", "bob@localhost").returncode, 0)
        self.send(gateway, "alice", "bob", "back")
        self.assertEqual(self.received(gateway, "bob"), ["back"])
        self.assertEqual(gateway.control("accounts", "remove", "bob@localhost").returncode, 0)
        self.assertEqual(gateway.client("alice", "send", "bob@localhost", "x").returncode, 1)
        self.assertEqual(gateway.client("bob", "receive").returncode, 1)

    def test_registration_by_invite_and_closed(self):
        gateway = self.gateway(config='[registration]\nmode = "invite"\n')
        self.assertEqual(gateway.register("alice").returncode, 1)
        code = json.loads(gateway.control("--json", "invites", "create").stdout)["invite"]["code"]
        self.assertEqual(gateway.register("alice", "--invite", code).returncode, 0)
        self.assertEqual(gateway.register("bob", "--invite", code).returncode, 1)
        closed = self.gateway(config='[registration]\nmode = "closed"\n')
        self.assertEqual(closed.register("alice").returncode, 1)

    def test_refused_registration_says_why(self):
        gateway = self.with_users("alice")
        self.assertIn("this name is taken", gateway.register("alice", home="other").stderr)

    def test_reload(self):
        gateway = self.gateway(config='[registration]\nmode = "open"\n')
        self.assertEqual(gateway.register("alice").returncode, 0)
        gateway.configure('[registration]\nmode = "closed"\n')
        gateway.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "reloaded the configuration" in gateway.log())
        self.assertIn("registration is closed", gateway.register("bob").stderr)
        gateway.configure('[registration]\nmode = "invite"\n[delivery]\nack_delay_ms = 7\n')
        reloaded = gateway.control("reload")
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        self.assertIn("delivery.ack_delay_ms takes a restart", reloaded.stdout)
        self.assertIn("an invite is needed", gateway.register("bob").stderr)
        gateway.configure("[registration]\nmode = maybe\n")
        self.assertEqual(gateway.control("reload").returncode, 1)
        self.assertIn("an invite is needed", gateway.register("bob").stderr)

    def test_backup_while_running_and_restore(self):
        gateway = self.with_users("alice", "bob", "carol")
        self.send(gateway, "alice", "bob", "before")
        target = os.path.join(gateway.folder, "backup")
        sender = subprocess.Popen(gateway.client_words("carol", "send", "bob@localhost", "-"), text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        sender.stdin.write("".join(f"{i}\n" for i in range(2000)))
        sender.stdin.close()
        done = gateway.control("backup", target)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^/.*backup: \d+ bytes$")
        self.assertIn("exists", gateway.control("backup", target).stderr)
        self.assertEqual(gateway.control("backup", "/proc/nowhere").returncode, 1)
        self.assertEqual(sender.wait(timeout=60), 0)
        gateway.kill()
        gateway.data = target
        gateway.socket = os.path.join(target, "admin.sock")
        gateway.start()
        texts_ = self.received(gateway, "bob")
        self.assertEqual(texts_[0], "before")
        self.assertEqual(texts_[1:], [str(i) for i in range(len(texts_) - 1)], "a prefix of what was sent")
        self.send(gateway, "alice", "bob", "on the copy")
        self.assertEqual(self.received(gateway, "bob"), ["on the copy"])

    def test_drain_ends_the_gateway_when_all_is_safe(self):
        gateway = self.with_users("alice", "bob")
        follower = subprocess.Popen(gateway.client_words("bob", "receive", "--follow"), text=True,
                                    stdout=subprocess.PIPE)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        self.addCleanup(follower.stdout.close)
        self.wait_for(lambda: gateway.status()["sessions"] == 1)
        self.send(gateway, "alice", "bob", "before")
        drained = gateway.control("drain", "--spread", "1")
        self.assertEqual(drained.returncode, 0, drained.stderr)
        self.assertEqual(gateway.process.wait(timeout=20), 0)
        gateway.start()
        self.wait_for(lambda: gateway.status()["sessions"] == 1)  # back by itself
        self.send(gateway, "alice", "bob", "after")
        self.assertEqual([follower.stdout.readline().split(" ", 2)[2] for _ in range(2)], ["before\n", "after\n"])

    def test_log_level(self):
        gateway = self.gateway()
        self.assertEqual(gateway.control("log-level", "error").returncode, 0)
        self.assertEqual(gateway.control("reload").returncode, 0)
        self.assertEqual(gateway.control("log-level", "loud").returncode, 1)

    def test_data_folder_in_use(self):
        gateway = self.gateway()
        second = subprocess.run([program("godwitd"), "--data", gateway.data, "--listen", "127.0.0.1:0", "--metrics", ""],
                                capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn("another gateway is using", second.stderr)
        self.assertEqual(gateway.register("alice").returncode, 0)

    def test_fast_sender_is_slowed_down_and_loses_nothing(self):
        gateway = self.with_users("alice", "bob",
                                  config="[limits]\nmessages_per_second = 100\nmessages_burst = 10\n")
        lines = [f"message {i}" for i in range(200)]
        self.send(gateway, "alice", "bob", *lines)
        self.assertEqual(self.received(gateway, "bob"), lines)
        self.assertGreater(gateway.metric("senders_paused_total"), 0)

    def test_garbage_on_the_port(self):
        gateway = self.with_users("alice", "bob")
        noise = random.Random(7)
        for size in (0, 1, 3, 4, 5, 100, 70000):
            for preamble in (b"", b"GW\x01\x11", b"GW\x01\x21", b"GW\x02\x11"):
                with socket.create_connection((gateway.host, gateway.port)) as connection:
                    try:
                        connection.sendall(preamble + noise.randbytes(size))
                    except OSError:
                        pass
        self.send(gateway, "alice", "bob", "still here")
        self.assertEqual(self.received(gateway, "bob"), ["still here"])

    def test_thousand_connections(self):
        # The clients' address, where it is not loopback's, would reach its limit.
        gateway = self.with_users("alice", "bob", config='[limits]\nexempt_addresses = "127.0.0.0/8, 10.77.0.0/16"\n')
        connections = [socket.create_connection((gateway.host, gateway.port)) for _ in range(1000)]
        self.wait_for(lambda: gateway.status()["connections"] >= 1000)
        self.send(gateway, "alice", "bob", "among a thousand")
        self.assertEqual(self.received(gateway, "bob"), ["among a thousand"])
        for connection in connections:
            connection.close()
        self.wait_for(lambda: gateway.status()["connections"] == 0)

    def test_the_network_device_is_shown(self):
        gateway = self.with_users("alice")
        done = gateway.control("--json", "ports")
        if not USERSPACE:
            self.assertEqual(done.returncode, 1)
            self.assertIn("io.backend", done.stderr)
            return
        answer = json.loads(done.stdout)
        self.assertEqual([(port["link"], port["addresses"]) for port in answer["ports"]],
                         [("up", [f"{gateway.host}/24"])])
        self.assertEqual(len(answer["shards"]), gateway.shards)
        self.wait_for(lambda: gateway.metric("tcp_segments_received_total") > 3)
        self.wait_for(lambda: gateway.metric("network_packets_sent_total") > 3)
        self.assertIn("DRIVER'S COUNTER", gateway.control("ports").stdout)

    def test_frames_are_captured_without_what_they_carry(self):
        gateway = self.with_users("alice", "bob")
        folder = os.path.join(gateway.folder, "frames")
        if not USERSPACE:
            self.assertIn("io.backend", gateway.control("capture", folder).stderr)
            return
        started = gateway.control("capture", folder, "--seconds", "2")
        self.assertEqual(started.returncode, 0, started.stderr)
        self.assertEqual(gateway.control("capture", folder + "2").returncode, 1, "one runs")
        self.send(gateway, "alice", "bob", "hello")
        files = [os.path.join(folder, f"shard-{shard}.pcap") for shard in range(gateway.shards)]
        self.wait_for(lambda: gateway.control("capture", os.path.join(gateway.folder, "later")).returncode == 0)
        frames = []
        for path in files:
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            with open(path, "rb") as file:
                self.assertEqual(struct.unpack("=IHHIIII", file.read(24)), (0xA1B23C4D, 2, 4, 0, 0, 118, 1))
                while head := file.read(16):
                    _, nanoseconds, kept, size = struct.unpack("=IIII", head)
                    self.assertLess(nanoseconds, 1_000_000_000)
                    frames.append((size, file.read(kept)))
                    self.assertEqual(len(frames[-1][1]), kept)
        of_clients = [(size, frame) for size, frame in frames if frame[12:14] == b"\x08\x00" and frame[23] == 6]
        self.assertTrue(any(size > 200 for size, _ in of_clients), "a frame with a payload")
        for _, frame in of_clients:
            self.assertEqual(len(frame), 34 + (frame[46] >> 4) * 4, "no more than headers")

    def test_nothing_of_a_delivered_message_is_left(self):
        gateway = self.with_users("alice", "bob")
        secret = "a-word-that-occurs-nowhere-else"
        self.send(gateway, "alice", "bob", secret)
        self.assertEqual(self.received(gateway, "bob"), [secret])

        def gone():
            for path in glob.glob(gateway.data + "/**/*", recursive=True):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        if secret.encode() in file.read():
                            return False
            return True
        self.wait_for(gone)
        self.assertNotIn(secret, gateway.log())
        self.assertNotIn("alice", gateway.log())

    def test_store_that_cannot_be_written(self):
        gateway = self.with_users("alice", "bob")
        self.send(gateway, "alice", "bob", "before")
        gateway.kill()
        for path in glob.glob(gateway.data + "/store/*"):
            os.remove(path)
        os.rmdir(gateway.data + "/store")
        with open(gateway.data + "/store", "w", encoding="utf-8"):
            pass  # a file where the folder was
        gateway.start()
        refused = gateway.client("alice", "send", "bob@localhost", "x")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("cannot keep it", refused.stderr)
        os.remove(gateway.data + "/store")
        os.mkdir(gateway.data + "/store")
        time.sleep(1.1)  # the file is tried again once a second
        self.send(gateway, "alice", "bob", "works again")
        self.assertEqual(self.received(gateway, "bob"), ["works again"])

    def test_corrupt_store_file_refuses_and_stays_up(self):
        gateway = self.with_users("alice", "bob")
        self.send(gateway, "alice", "bob", "lost with the disk")
        gateway.kill()
        for path in glob.glob(gateway.data + "/store/*"):
            os.remove(path)
        for digit in "0123456789abcdef":
            with open(f"{gateway.data}/store/{digit}.db", "wb") as file:
                file.write(b"not a database at all" * 1000)
        gateway.start()
        refused = gateway.client("alice", "send", "bob@localhost", "x")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("cannot keep it", refused.stderr)
        self.assertNotIn("ok", gateway.control("status").stdout.split("message store")[1].splitlines()[0])

    def test_configuration_errors(self):
        bad = Gateway(config='[server]\nport = 3\n')
        self.addCleanup(bad.destroy)
        with self.assertRaises(AssertionError):
            bad.start()
        self.assertEqual(bad.process.wait(), 1)
        self.assertIn("port", bad.log())
        usage = subprocess.run([program("godwitd"), "--shards", "many"], capture_output=True, text=True, check=False)
        self.assertEqual(usage.returncode, 2)
        self.assertEqual(usage.stderr.count("\n"), 1)

    def test_metrics_and_control(self):
        gateway = self.with_users("alice", "bob")
        self.send(gateway, "alice", "bob", "counted")
        self.assertEqual(gateway.metric("messages_received_total"), 1)
        queues = json.loads(gateway.control("--json", "queues", "top").stdout)
        self.assertIn("bob", json.dumps(queues))
        table = gateway.control("top", "--count", "2")
        self.assertEqual(table.returncode, 0, table.stderr)
        self.assertEqual(table.stdout.count("RECEIVED/S"), 2)
        for words in (["accounts", "list"], ["sessions", "list"], ["shards"], ["invites", "list"]):
            self.assertEqual(gateway.control(*words).returncode, 0, words)
        self.assertEqual(gateway.control("nonsense").returncode, 2)

    def wait_for(self, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.1)
        self.fail("waited in vain")


if __name__ == "__main__":
    unittest.main()
