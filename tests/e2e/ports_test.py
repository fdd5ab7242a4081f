# SPDX-License-Identifier: Apache-2.0
"""A gateway with two devices of its own: two taps, each an interface of the kernel's in a network namespace of its own, so
that the clients of one network have no way to the other but the gateway. In both a client has the same address behind a
router, which only a gateway that answers where it was asked can serve."""
import json
import os
import socket
import subprocess
import tempfile
import time
import unittest

import gateway as base
from gateway import Gateway, program, texts

CLIENT = "10.99.0.9"  # in both networks


class Network:
    """A namespace that a child process holds open: the kernel as router of one of the gateway's devices."""

    def __init__(self, number):
        self.number = number
        self.interface = f"gwp{number}"
        self.gateway = f"10.78.{number}.2"
        self.router = f"10.78.{number}.1"
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        here = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == here:
            time.sleep(0.01)

    def inside(self, *words):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *words]

    def run(self, *words):
        subprocess.run(self.inside(*words), check=True)

    def take(self):
        """Takes the tap, and has the client's address beside the router's."""
        subprocess.run(["ip", "link", "set", self.interface, "netns", str(self.holder.pid)], check=True)
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{CLIENT}/32", "dev", "lo")
        self.run("ip", "address", "add", f"{self.router}/24", "dev", self.interface)
        self.run("ip", "link", "set", self.interface, "up")
        self.run("ip", "route", "replace", f"10.78.{self.number}.0/24", "dev", self.interface, "src", CLIENT)

    def end(self):
        self.holder.kill()
        self.holder.wait()


class TwoPortGateway(Gateway):
    def __init__(self, networks, **more):
        self.networks = networks
        super().__init__(**more)
        self.host = "0.0.0.0"

    def words(self):
        words = super().words()
        first = words.index("--vdev")
        words[first:first + 4] = []
        for network in self.networks:
            words += ["--vdev", f"net_tap{network.number},iface={network.interface}", "--address", f"{network.gateway}/24",
                      "--gateway", network.router]
        return words

    def bring_up_kernel_side(self):
        for network in self.networks:
            network.take()

    def client_in(self, network, name, *words, stdin=""):
        return subprocess.run(network.inside(*self.client_words(name, *words)), input=stdin, capture_output=True, text=True,
                              timeout=60, check=False)


class TwoPorts(unittest.TestCase):
    def setUp(self):
        if base.CANNOT:
            self.skipTest(base.CANNOT)
        self.networks = [Network(1), Network(2)]
        for network in self.networks:
            self.addCleanup(network.end)
        self.gateway = TwoPortGateway(self.networks)
        self.addCleanup(self.gateway.destroy)
        self.gateway.start()

    def user(self, network, name):
        done = self.gateway.client_in(network, name, "register", f"{name}@localhost", "--server",
                                      f"{network.gateway}:{self.gateway.port}")
        self.assertEqual(done.returncode, 0, done.stderr)

    def message(self, by, sender, to, recipient, text):
        done = self.gateway.client_in(by, sender, "send", f"{recipient}@localhost", text)
        self.assertEqual(done.returncode, 0, done.stderr)
        got = self.gateway.client_in(to, recipient, "receive", "--count", "1", "--timeout", "20")
        self.assertEqual((got.returncode, texts(got.stdout)), (0, [text]), got.stderr)

    def ports(self):
        return json.loads(self.gateway.control("--json", "ports").stdout)

    def cpu_seconds(self):
        with open(f"/proc/{self.gateway.process.pid}/stat", encoding="ascii") as file:
            words = file.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def test_clients_of_two_networks_chat(self):
        one, two = self.networks
        self.user(one, "alice")
        self.user(two, "bob")
        self.message(one, "alice", two, "bob", "from one to two")
        self.message(two, "bob", one, "alice", "and back")
        answer = self.ports()
        self.assertEqual([(port["port"], port["addresses"]) for port in answer["ports"]],
                         [(f"net_tap{network.number}", [f"{network.gateway}/24"]) for network in self.networks])
        for port in answer["ports"]:
            self.assertEqual(len(port["shards"]), self.gateway.shards)
            self.assertGreater(sum(row["network_packets_received_total"] for row in port["shards"]), 5)
        self.assertIn("net_tap2", self.gateway.control("ports").stdout)
        for number in (1, 2):
            self.assertGreater(self.gateway.metric("network_packets_sent_total", f'port="net_tap{number}"'), 5)

    def test_each_device_is_captured_into_files_of_its_own(self):
        frames = os.path.join(self.gateway.folder, "frames")
        self.assertEqual(self.gateway.control("capture", frames, "--seconds", "3").returncode, 0)
        self.assertEqual(sorted(os.listdir(frames)),
                         sorted(f"shard-{shard}-port-{port}.pcap" for shard in (0, 1) for port in (0, 1)))
        for network in self.networks:
            connect = f"import socket\nfor _ in range(5): socket.create_connection(('{network.gateway}', {self.gateway.port})).close()"
            network.run("python3", "-c", connect)
        deadline = time.monotonic() + 20
        while self.gateway.control("capture", frames + "-later").returncode != 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        for port, network in enumerate(self.networks):
            found = b""
            for shard in (0, 1):
                with open(os.path.join(frames, f"shard-{shard}-port-{port}.pcap"), "rb") as file:
                    found += file.read()
            # Of five connections, the SYN of each at least.
            self.assertGreaterEqual(found.count(socket.inet_aton(CLIENT) + socket.inet_aton(network.gateway)), 5)
            other = self.networks[1 - port]
            self.assertNotIn(socket.inet_aton(CLIENT) + socket.inet_aton(other.gateway), found)

    def test_a_network_that_is_gone_does_not_hurt_the_other(self):
        one, two = self.networks
        self.user(one, "alice")
        self.user(two, "bob")
        self.user(two, "carol")
        listening = subprocess.Popen(one.inside(*self.gateway.client_words("alice", "receive", "--follow")),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(listening.wait)
        self.addCleanup(listening.kill)
        deadline = time.monotonic() + 20
        while self.gateway.status()["sessions"] < 1:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        one.run("ip", "link", "set", one.interface, "down")
        # For alice, who does not answer: her gateway goes on trying.
        self.assertEqual(self.gateway.client_in(two, "bob", "send", "alice@localhost", "are you there?").returncode, 0)
        self.message(two, "bob", two, "carol", "the other network is gone")
        self.message(two, "carol", two, "bob", "so it is")
        time.sleep(0.5)
        before = self.cpu_seconds()
        time.sleep(2)
        self.assertLess(self.cpu_seconds() - before, 0.5, "shards sleep although a device takes nothing")
        one.run("ip", "link", "set", one.interface, "up")
        one.run("ip", "route", "replace", f"10.78.{one.number}.0/24", "dev", one.interface, "src", CLIENT)
        self.message(two, "carol", two, "bob", "and now")


class Misconfigured(unittest.TestCase):
    """What only the start finds out, a line each."""

    def refused(self, *words):
        with tempfile.TemporaryDirectory() as data:
            done = subprocess.run([program("godwitd"), "--io", "dpdk", "--listen", "0.0.0.0:0", "--metrics", "", "--data", data,
                                   *words], capture_output=True, text=True, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def test_a_line_each(self):
        one = ["--vdev", "net_tap0,iface=gwm0", "--address", "10.78.1.2/24"]
        self.assertEqual(self.refused(*one, "--vdev", "net_tap0,iface=gwm1", "--address", "10.78.2.2/24"),
                         'godwitd: [[io.port]] 2: device = "net_tap0,iface=gwm1": [[io.port]] 1 has that device')
        self.assertEqual(self.refused(*one, "--vdev", "net_tap1,iface=gwm1", "--address", "10.78.1.3/24"),
                         'godwitd: [[io.port]] 2: addresses = "10.78.1.3/24": the network of 10.78.1.3 overlaps that of '
                         "10.78.1.2 of [[io.port]] 1; each port has networks of its own")
        self.assertEqual(self.refused(*one, "--vdev", "net_tap1,iface=gwm1"),
                         'godwitd: [[io.port]] 2: addresses = "": the backend "dpdk" needs one at least')

    def test_two_devices_with_one_mac(self):
        if base.CANNOT:
            self.skipTest(base.CANNOT)
        mac = "mac=02:64:74:61:70:11"
        self.assertRegex(self.refused("--vdev", f"net_tap0,iface=gwm0,{mac}", "--address", "10.78.1.2/24",
                                      "--vdev", f"net_tap1,iface=gwm1,{mac}", "--address", "10.78.2.2/24"),
                         "net_tap0 and net_tap1 have the same MAC address, 02:64:74:61:70:1.: give one of them another")


if __name__ == "__main__":
    unittest.main(verbosity=2)
