# SPDX-License-Identifier: Apache-2.0
"""End-to-end encryption with the real programs: what the gateway holds of a message, what the two sides see of each
other, and clients that die in the middle."""
import glob
import json
import os
import random
import re
import resource
import signal
import subprocess
import time
import unittest

from gateway import Gateway, texts

SECRET = "a-word-that-occurs-nowhere-else-{}"


def memory_of(pid):
    """All that the process can read of itself; our own child, so the kernel lets us."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        areas = [line.split() for line in maps]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for area in areas:
            if not area[1].startswith("r") or area[-1] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            start, end = (int(number, 16) for number in area[0].split("-"))
            if end - start > 1 << 30:  # a sanitizer's shadow, terabytes of it
                continue
            try:
                memory.seek(start)
                left = end - start
                tail = b""
                while left > 0:
                    block = memory.read(min(left, 1 << 22))
                    if not block:
                        break
                    left -= len(block)
                    yield tail + block
                    tail = block[-64:]
            except OSError:
                continue  # guard pages, rings


def core_path(pid):
    """Where the kernel leaves a core of a process that was started here; None when it gives cores to somebody else."""
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
        if file.read().strip() != "core":
            return None
    with open("/proc/sys/kernel/core_uses_pid", encoding="ascii") as file:
        return f"core.{pid}" if file.read().strip() == "1" else "core"


def in_file(path, *words):
    """Which of the words are in the file, however large it is."""
    found, tail = set(), b""
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            found |= {word for word in words if word.encode() in tail + block}
            tail = block[-64:]
    return found


class Secrecy(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway()
        self.addCleanup(self.gateway.destroy)
        self.gateway.start()
        for name in ("alice", "bob"):
            self.assertEqual(self.gateway.register(name).returncode, 0)

    def send(self, sender, recipient, text):
        sent = self.gateway.client(sender, "send", f"{recipient}@localhost", text)
        self.assertEqual(sent.returncode, 0, sent.stderr)

    def received(self, name):
        result = self.gateway.client(name, "receive")
        self.assertEqual(result.returncode, 0, result.stderr)
        return texts(result.stdout)

    def in_files(self, word):
        found = []
        for path in glob.glob(self.gateway.data + "/**/*", recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    if word.encode() in file.read():
                        found.append(path)
        return found

    def in_memory(self, word):
        return any(word.encode() in block for block in memory_of(self.gateway.process.pid))

    def test_the_gateway_never_has_the_text(self):
        words = [SECRET.format(i) for i in range(3)]
        self.send("alice", "bob", words[0])  # waits on the disk
        self.assertTrue(self.in_memory("alice"), "memory is looked at in earnest")
        for word in words[:1]:
            self.assertFalse(self.in_memory(word))
            self.assertEqual(self.in_files(word), [])
        self.assertEqual(self.received("bob"), words[:1])
        self.send("bob", "alice", words[1])
        self.assertEqual(self.received("alice"), words[1:2])
        self.send("alice", "bob", words[2])
        for word in words:
            self.assertFalse(self.in_memory(word))
            self.assertEqual(self.in_files(word), [])
            self.assertNotIn(word, self.gateway.log())
        self.assertEqual(self.received("bob"), words[2:])

    def test_nor_has_it_in_the_middle_of_traffic(self):
        word = SECRET.format("")
        count = 400
        lines = "".join(f"{word}{i}\n" for i in range(count))
        receiver = subprocess.Popen(self.gateway.client_words("bob", "receive", "--count", str(count), "--timeout", "60"),
                                    text=True, stdout=subprocess.PIPE)
        sender = subprocess.Popen(self.gateway.client_words("alice", "send", "bob@localhost", "-"), text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for process in (sender, receiver):
            self.addCleanup(process.kill)
        sender.stdin.write(lines)
        sender.stdin.close()
        gateway = self.gateway.process
        sender.stdout.readline()  # the first is accepted, the others are on their way
        for _ in range(5):
            gateway.send_signal(signal.SIGSTOP)
            self.assertTrue(self.in_memory("alice"))
            self.assertFalse(self.in_memory(word))
            gateway.send_signal(signal.SIGCONT)
            time.sleep(0.01)
        accepted = sender.stdout.read()
        self.assertEqual(sender.wait(timeout=120), 0)
        self.assertEqual(accepted.count("accepted"), count - 1)
        self.assertEqual(texts(receiver.stdout.read()), lines.splitlines())
        self.assertEqual(receiver.wait(timeout=120), 0)
        for pipe in (sender.stdout, receiver.stdout):
            pipe.close()
        self.assertFalse(self.in_memory(word))
        self.assertEqual(self.in_files(word), [])

    def test_nor_is_it_in_a_core_dump(self):
        gateway = self.gateway.process
        path = core_path(gateway.pid)
        if path is not None:
            if os.path.exists(path):
                os.remove(path)
            self.addCleanup(lambda: os.path.exists(path) and os.remove(path))
            resource.prlimit(gateway.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        words = [SECRET.format(i) for i in range(2)]
        self.send("alice", "bob", words[0])
        self.assertEqual(self.received("bob"), words[:1])
        self.send("alice", "bob", words[1])  # waits
        # What a core has; some machines write none for us, and a sanitizer forbids it.
        self.assertFalse(any(self.in_memory(word) for word in words))
        gateway.send_signal(signal.SIGABRT)
        self.assertEqual(gateway.wait(timeout=60), -signal.SIGABRT)
        if path is not None and os.path.exists(path):
            self.assertEqual(in_file(path, "alice", *words), {"alice"})

    def test_both_sides_see_the_same_number(self):
        digits = []
        for name, other in (("alice", "bob"), ("bob", "alice")):
            shown = self.gateway.client(name, "verify", f"{other}@localhost")
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn(f"{other}@localhost/1, not verified", shown.stdout)
            digits.append(re.findall(r"\b\d{5}\b", shown.stdout))
            self.assertEqual(len(digits[-1]), 12)
        self.assertEqual(digits[0], digits[1])
        code = self.gateway.client("alice", "verify", "bob@localhost", "--qr").stdout.splitlines()[1:-3]
        self.assertGreater(len(code), 15)
        self.assertEqual({len(line) for line in code}, {len(code[0])})
        self.assertTrue(set("".join(code)) <= set("█▀▄ "))
        marked = self.gateway.client("alice", "verify", "bob@localhost", "--yes")
        self.assertIn("bob@localhost/1, verified", marked.stdout)
        self.assertIn(", verified", self.gateway.client("alice", "verify", "bob@localhost").stdout)
        nobody = self.gateway.client("alice", "verify", "nobody@localhost")
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("no such account", nobody.stderr)

    def test_every_device_of_an_account_reads_it(self):
        self.send("alice", "bob", "to the first")  # the list is known before there is a second
        invite = self.gateway.control("--json", "invites", "create", "--account", "bob@localhost")
        code = json.loads(invite.stdout)["invite"]["code"]
        self.assertEqual(self.gateway.register("bob", "--invite", code, home="bob2").returncode, 0)
        shown = self.gateway.client("alice", "verify", "bob@localhost")  # fetches the list anew
        self.assertIn("bob@localhost/2", shown.stdout)
        self.send("alice", "bob", "to both")
        self.assertEqual(self.received("bob"), ["to the first", "to both"])
        self.assertEqual(self.received("bob2"), ["to both"])
        self.send("bob", "bob", "to my other one")
        self.assertEqual(self.received("bob2"), ["to my other one"])
        self.assertEqual(self.received("bob"), [])

    def test_clients_that_are_killed_lose_and_double_nothing(self):
        dice = random.Random(7)
        wanted, got = 0, []
        for _ in range(8):
            lines = [f"line {wanted + i}" for i in range(40)]
            sender = subprocess.Popen(self.gateway.client_words("alice", "send", "bob@localhost", "-"), text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            receiver = subprocess.Popen(self.gateway.client_words("bob", "receive", "--follow"), text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            sender.stdin.write("".join(line + "\n" for line in lines))
            sender.stdin.flush()
            time.sleep(dice.uniform(0.03, 0.25))
            for process in (sender, receiver):
                process.kill()
            got += [line.split(" ", 2) for line in receiver.stdout.read().splitlines()]
            sender.stdin.close()
            for process in (sender, receiver):
                process.wait()
            receiver.stdout.close()
            wanted += len(lines)
        self.send("alice", "bob", "the last")
        got += [line.split(" ", 2) for line in self.gateway.client("bob", "receive").stdout.splitlines()]
        # A line may be printed twice around a kill (docs/client.md); by its number it is one.
        once = []
        for line in got:
            if line not in once:
                once.append(line)
        numbers = [int(number) for _, number, _ in once]
        self.assertEqual(numbers, sorted(numbers))
        said = [text for _, _, text in once]
        self.assertEqual(len(said), len(set(said)))
        self.assertEqual(said[-1], "the last")
        self.assertTrue(set(said) <= {f"line {i}" for i in range(wanted)} | {"the last"})
        self.assertGreater(len(said), 40)


if __name__ == "__main__":
    unittest.main()
