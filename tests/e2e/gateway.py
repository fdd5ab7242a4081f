# SPDX-License-Identifier: Apache-2.0
"""The real binaries, driven from outside: a gateway on a free port with a folder of its own, and its clients.

With GODWIT_IO=dpdk the gateway is on its own TCP stack, over a tap, and the kernel at the tap's other end is what the
clients use: all in a network namespace of this process, which ends with it."""
import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

APPS = os.environ.get("GODWIT_APPS", "build/apps")
USERSPACE = os.environ.get("GODWIT_IO") == "dpdk"
CLONE_NEWNET = 0x40000000
networks = itertools.count(1)


def own_network():
    """Leaves the network of the machine for an empty one. Says why not when this is not root on a kernel with taps."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        return f"no network of its own: {os.strerror(ctypes.get_errno())}"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no /dev/net/tun"
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return None


CANNOT = own_network() if USERSPACE else None


def program(name):
    return os.path.join(APPS, name)


class Gateway:
    """One godwitd. Ends with stop() or kill(); start() again goes on with the same folder and port."""

    def __init__(self, folder=None, shards=2, config=None):
        self.folder = folder or tempfile.mkdtemp(prefix="godwit-e2e-")
        self.data = os.path.join(self.folder, "data")
        self.socket = os.path.join(self.data, "admin.sock")
        self.log_path = os.path.join(self.folder, "log")
        self.shards = shards
        self.config = config
        # Where it listens, where clients come from, and where strangers do.
        self.host, self.client_host, self.stranger_host = "127.0.0.1", "127.0.0.1", "127.0.0.66"
        if USERSPACE:
            if CANNOT:
                raise unittest.SkipTest(CANNOT)
            self.network = next(networks)
            self.host, self.client_host, self.stranger_host = (f"10.77.{self.network}.{host}" for host in (2, 1, 66))
        self.port = 0
        self.process = None
        self.operator_key = ""

    def words(self):
        words = [program("godwitd"), "--data", self.data, "--listen", f"{self.host}:{self.port}",
                 "--metrics", "127.0.0.1:0", "--shards", str(self.shards)]
        if USERSPACE:
            words += ["--io", "dpdk", "--vdev", f"net_tap0,iface=gwe{self.network}", "--address", f"{self.host}/24"]
        return words

    def start(self):
        words = self.words()
        if self.config is not None:
            self.configure(self.config)
            words += ["--config", os.path.join(self.folder, "godwit.toml")]
        start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                log.seek(start)
                text = log.read()
            listening = re.search(r"^listening on [0-9.]+:(\d+),.* metrics 127\.0\.0\.1:(\d+)", text, re.M)
            if listening:
                self.port = int(listening.group(1))
                self.metrics_port = int(listening.group(2))
                self.operator_key = re.search(r"operator key ([0-9a-f]{64})", text).group(1)
                if USERSPACE:
                    self.bring_up_kernel_side()
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError("the gateway did not start:\n" + self.log())

    def bring_up_kernel_side(self):
        interface = f"gwe{self.network}"
        for address in (self.client_host, self.stranger_host):  # the first is what the kernel dials from
            subprocess.run(["ip", "addr", "add", f"{address}/24", "dev", interface], check=True)
        subprocess.run(["ip", "link", "set", interface, "up"], check=True)

    def configure(self, config):
        self.config = config
        with open(os.path.join(self.folder, "godwit.toml"), "w", encoding="utf-8") as file:
            file.write(config)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def destroy(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def home(self, name):
        return os.path.join(self.folder, name)

    def client_words(self, name, *words):
        return [program("godwit"), "--home", self.home(name), *words]

    def client(self, name, *words, stdin="", timeout=60):
        return subprocess.run(self.client_words(name, *words), input=stdin, capture_output=True,
                              text=True, timeout=timeout, check=False)

    def register(self, name, *more, home=None):
        return self.client(home or name, "register", f"{name}@localhost", "--server",
                           f"{self.host}:{self.port}", *more)

    def control(self, *words):
        return subprocess.run([program("godwitctl"), "--socket", self.socket, *words],
                              capture_output=True, text=True, timeout=30, check=False)

    def metric(self, name, label=""):
        """A number of the metrics page, over all shards and whatever else has this label."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as page:
            lines = re.findall(rf"^godwit_{name}(?:{{.*{label}.*}})? (\S+)$", page.read().decode(), re.M)
        if not lines:
            raise AssertionError(f"no metric {name}")
        return sum(float(value) for value in lines)

    def status(self):
        return json.loads(self.control("--json", "status").stdout)


def texts(output):
    """The texts of `receive` without --json: sender, id, text."""
    return [line.split(" ", 2)[2] for line in output.splitlines()]
