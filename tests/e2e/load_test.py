# SPDX-License-Identifier: Apache-2.0
"""godwit-load against a real gateway: every scenario once, briefly, and what its JSON says of it. What the load holds
the gateway to is its own ledger, so this also is a short run of everything under churn and over a kill."""
import json
import subprocess
import time
import unittest

from gateway import Gateway, program

CONFIG = "registration.per_second = 100000\nregistration.burst = 100000\n"


class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(config=CONFIG).start()

    @classmethod
    def tearDownClass(cls):
        cls.gateway.destroy()

    def words(self, *words):
        gateway = self.gateway
        return [program("godwit-load"), *words, "--server", f"{gateway.host}:{gateway.port}",
                "--server-pid", str(gateway.process.pid), "--json", "-", "--quiet"]

    def load(self, *words, code=0):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)

    def phase(self, report, name):
        return next(phase for phase in report["phases"] if phase["name"] == name)

    def check_ledger(self, report):
        ledger = report["ledger"]
        self.assertTrue(ledger["good"], report["problems"])
        self.assertEqual(ledger["missing"] + ledger["undecided"], 0)
        self.assertEqual(ledger["arrived"], ledger["accepted"])
        self.assertGreater(ledger["arrived"], 0)

    def test_closed(self):
        report = self.load("messages", "--connections", "10", "--window", "2", "--seconds", "0.3", "--warm-up", "0.1")
        self.check_ledger(report)
        phase = self.phase(report, "messages")
        self.assertGreater(phase["messages_per_second"], 0)
        self.assertGreater(phase["server"]["us_per_message"], 0)
        self.assertGreater(phase["generator"]["us_per_message"], 0)
        latency = phase["latency"]["arrival"]
        self.assertLessEqual(latency["p50_us"], latency["p99_us"])
        self.assertLessEqual(latency["p99_us"], latency["max_us"])
        # 100 bytes of payload; what is on top is the frame and the stanza, and the acknowledgements.
        self.assertGreater(phase["bytes_out_per_message"], 100)
        self.assertGreater(report["memory"]["bytes_per_session"], 0)

    def test_open_at_even_intervals(self):
        report = self.load("messages", "--connections", "9", "--shape", "fan-in", "--fan", "2", "--rate", "200", "--even",
                           "--seconds", "0.5", "--warm-up", "0", "--payload", "1000", "--threads", "2")
        self.check_ledger(report)
        # 500 ms at 200 a second, in two threads that do not start at the same instant.
        self.assertAlmostEqual(self.phase(report, "messages")["counts"]["due"], 100, delta=30)

    def test_store_and_fetch(self):
        report = self.load("offline", "--connections", "8", "--messages", "30")
        self.check_ledger(report)
        self.assertEqual(report["ledger"]["accepted"], 4 * 30)
        self.assertEqual(self.phase(report, "store")["counts"]["accepted"], 4 * 30)
        self.assertEqual(self.phase(report, "store")["counts"]["arrived"], 0)
        self.assertEqual(self.phase(report, "fetch")["counts"]["arrived"], 4 * 30)

    def test_registration_logins_and_idling(self):
        report = self.load("register", "--connections", "12", "--seed", "2", "--at-once", "3")
        self.assertEqual(report["totals"]["registrations"], 12)
        report = self.load("logins", "--connections", "12", "--seed", "2")
        self.assertEqual(report["totals"]["registrations"], 0)
        self.assertEqual(self.phase(report, "logins")["latency"]["login"]["count"], 12)
        report = self.load("idle", "--connections", "12", "--seed", "2", "--seconds", "0.2", "--source",
                           "127.0.0.2-127.0.0.4")
        self.assertEqual(report["memory"]["sessions"], 12)

    def test_scale(self):
        report = self.load("scale", "--connections", "20", "--seed", "4", "--talkers", "8", "--rate", "400", "--silence", "0.1",
                           "--seconds", "0.4", "--warm-up", "0.1")
        self.check_ledger(report)
        self.assertEqual([phase["name"] for phase in report["phases"]], ["first half", "second half", "idle", "few", "all"])
        self.assertEqual([phase["counts"]["logins"] for phase in report["phases"]], [10, 10, 0, 0, 0])
        self.assertEqual(self.phase(report, "idle")["counts"]["due"], 0)
        self.assertGreater(self.phase(report, "few")["counts"]["arrived"], 0)
        self.assertAlmostEqual(self.phase(report, "all")["counts"]["due"], 160, delta=80)
        self.assertGreater(self.phase(report, "second half")["server"]["anonymous_bytes_before"], 0)

    def test_descriptors_for_who_is_connected_at_once(self):
        # 64 beside the connections; of those who only register 1 024 may still be leaving.
        for words, needed in ((("idle", "--connections", "5000"), 5064), (("register", "--connections", "5000", "--at-once", "3"), 1091),
                              (("register", "--connections", "5000", "--at-once", "0"), 5064)):
            done = subprocess.run(["prlimit", f"--nofile={needed - 1}", *self.words(*words)], capture_output=True, text=True, timeout=60,
                                  check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{needed - 1} descriptors and {needed} are needed", done.stderr)
        done = subprocess.run(["prlimit", "--nofile=76", *self.words("register", "--connections", "12", "--seed", "3")],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_churn_and_a_kill_in_the_middle(self):
        # Its own, because the others run on.
        gateway = Gateway(config=CONFIG).start()
        self.addCleanup(gateway.destroy)
        words = [program("godwit-load"), "churn", "--connections", "10", "--rate", "200", "--churn-rate", "5",
                 "--seconds", "1.5", "--warm-up", "0.2", "--server", f"{gateway.host}:{gateway.port}", "--json", "-",
                 "--quiet"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
            deadline = time.monotonic() + 30
            while gateway.metric("sessions") < 5 and time.monotonic() < deadline:
                time.sleep(0.02)
            gateway.kill()
            gateway.start()
            out, complaint = load.communicate(timeout=90)
        self.assertEqual(load.returncode, 0, complaint)
        report = json.loads(out)
        self.check_ledger(report)
        self.assertGreater(report["totals"]["connections_lost"], 0)
        self.assertGreater(report["totals"]["left"], 0)

    def test_nobody_there(self):
        words = [program("godwit-load"), "idle", "--connections", "2", "--server", "127.0.0.1:1", "--patience", "1",
                 "--json", "-", "--quiet"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing moved any more", done.stderr)
        self.assertFalse(json.loads(done.stdout)["ledger"]["good"])

    def test_wrong_usage(self):
        for words in (["messages", "--connections", "3"], ["messages", "--payload", "7"], ["messages", "--payload", "61441"],
                      ["messages", "--window", "1001"], ["messages", "--window", "0"], ["messages", "--rate", "0"],
                      ["offline", "--shape", "ring"], ["messages", "--threads", "0"], ["idle", "--source", "127.0.0.9-127.0.0.2"],
                      ["messages", "--rate", "5", "--window", "5"], ["idle", "--server", "nowhere"], []):
            done = subprocess.run([program("godwit-load"), *words], capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 2, words)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
