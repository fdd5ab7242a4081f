# SPDX-License-Identifier: Apache-2.0
"""The servers beside which Godwit is measured: their packages, their configurations, their start and their end.

Every variant is a process of its own, on loopback, pinned to one core, with all its files in one folder. Nothing that Debian put
under /etc is read, and nothing outside the folder is written.
"""
import ctypes
import glob
import os
import shutil
import signal
import socket
import subprocess
import time

PACKAGES = {
    "ejabberd": ["ejabberd", "openssl"],
    "prosody": ["prosody", "lua-sec", "openssl"],
    "mosquitto": ["mosquitto", "openssl"],
    "nats": ["nats-server"],
    "redis": ["redis-server"],
}
SERVICES = {"ejabberd": "ejabberd", "prosody": "prosody", "mosquitto": "mosquitto", "nats-server": "nats-server",
            "redis-server": "redis-server"}
PASSWORD = "secret"
POLICY = "/usr/sbin/policy-rc.d"
START_SECONDS = 60
STOP_SECONDS = 10


class ServerError(Exception):
    """A server that cannot be installed, started or reached."""


def user_name(number):
    """The account of a slot; the program that makes the load names them the same way."""
    return f"u{number}"


# What each variant speaks and promises, in the order of the tables. encrypted: on the wire. sender: what tells the sender that its
# message is safe, if anything does. recipient: whether the recipient acknowledges. kept: what is left, as configured here, of messages
# to somebody who is away when the server is killed. order: what is promised of messages between two clients.
VARIANTS = {
    "godwit": {
        "title": "Godwit", "server": "godwit", "protocol": "godwit", "tls": False, "management": False,
        "encrypted": "yes (Noise, hybrid)", "sender": "yes: the recipient has it, or it is on disk", "recipient": "yes", "kept": "all it acknowledged",
        "order": "in order, once"},
    "ejabberd": {
        "title": "ejabberd", "server": "ejabberd", "protocol": "xmpp", "tls": False, "management": False,
        "encrypted": "no", "sender": "no", "recipient": "no", "kept": "what was written by then", "order": "in order"},
    "ejabberd-tls": {
        "title": "ejabberd, TLS", "server": "ejabberd", "protocol": "xmpp", "tls": True, "management": False,
        "encrypted": "yes (TLS 1.3)", "sender": "no", "recipient": "no", "kept": "what was written by then", "order": "in order"},
    "ejabberd-tls-sm": {
        "title": "ejabberd, TLS, XEP-0198", "server": "ejabberd", "protocol": "xmpp", "tls": True, "management": True,
        "encrypted": "yes (TLS 1.3)", "sender": "yes: the server has it in memory", "recipient": "yes", "kept": "what was written by then",
        "order": "in order, may repeat"},
    "prosody": {
        "title": "Prosody", "server": "prosody", "protocol": "xmpp", "tls": False, "management": False,
        "encrypted": "no", "sender": "no", "recipient": "no", "kept": "what was written by then", "order": "in order"},
    "prosody-tls": {
        "title": "Prosody, TLS", "server": "prosody", "protocol": "xmpp", "tls": True, "management": False,
        "encrypted": "yes (TLS 1.3)", "sender": "no", "recipient": "no", "kept": "what was written by then", "order": "in order"},
    "prosody-tls-sm": {
        "title": "Prosody, TLS, XEP-0198", "server": "prosody", "protocol": "xmpp", "tls": True, "management": True,
        "encrypted": "yes (TLS 1.3)", "sender": "yes: the server has it in memory", "recipient": "yes", "kept": "what was written by then",
        "order": "in order, may repeat"},
    "mosquitto-qos0": {
        "title": "mosquitto, QoS 0", "server": "mosquitto", "protocol": "mqtt0", "tls": False, "management": False,
        "encrypted": "no", "sender": "no", "recipient": "no", "kept": "nothing", "order": "in order"},
    "mosquitto-qos1": {
        "title": "mosquitto, QoS 1", "server": "mosquitto", "protocol": "mqtt1", "tls": False, "management": False,
        "encrypted": "no", "sender": "yes: the server has it in memory", "recipient": "yes", "kept": "nothing", "order": "in order, may repeat"},
    "mosquitto-qos1-tls": {
        "title": "mosquitto, QoS 1, TLS", "server": "mosquitto", "protocol": "mqtt1", "tls": True, "management": False,
        "encrypted": "yes (TLS 1.3)", "sender": "yes: the server has it in memory", "recipient": "yes", "kept": "nothing",
        "order": "in order, may repeat"},
    "nats": {
        "title": "NATS", "server": "nats", "protocol": "nats", "tls": False, "management": False,
        "encrypted": "no", "sender": "no", "recipient": "no", "kept": "nothing", "order": "in order"},
    "redis": {
        "title": "Redis pub/sub", "server": "redis", "protocol": "resp", "tls": False, "management": False,
        "encrypted": "no", "sender": "how many it was written to", "recipient": "no", "kept": "nothing", "order": "in order"},
}


# --- packages ------------------------------------------------------------------------------------------------------------------


def installed(package):
    state = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True, check=False)
    return state.stdout == "install ok installed"


def version_of(package):
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False).stdout


def install(servers):
    """Installs what is missing. No service is started by it, and of what it installed none is started at boot."""
    missing = [p for server in servers for p in PACKAGES.get(server, []) if not installed(p)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise ServerError("these packages are missing, install them as root: " + " ".join(missing))
    print("installing " + " ".join(missing), flush=True)
    own_policy = not os.path.exists(POLICY)
    if own_policy:
        with open(POLICY, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(POLICY, 0o755)
    try:
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for words in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            done = subprocess.run(["apt-get", *words], env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise ServerError("apt-get " + words[0] + " failed:\n" + done.stderr[-2000:])
    finally:
        if own_policy:
            os.remove(POLICY)
    for package in missing:
        if package in SERVICES and shutil.which("systemctl"):
            subprocess.run(["systemctl", "disable", SERVICES[package]], capture_output=True, check=False)


# --- a server ------------------------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder):
    """A certificate of our own, P-256, in one file with its key: what every TLS variant uses."""
    path = os.path.join(folder, "server.pem")
    if not os.path.exists(path):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", path + ".key", "-out",
                        path + ".crt"], check=True, capture_output=True)
        with open(path, "w", encoding="utf-8") as both:
            for part in (".crt", ".key"):
                with open(path + part, encoding="utf-8") as text:
                    both.write(text.read())
    return path


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Setup:
    """Where one server is put, and what it shall serve."""

    def __init__(self, folder, variant, accounts, godwitd=None):
        self.folder = folder
        self.variant = variant
        self.accounts = accounts
        self.port = free_port()
        self.godwitd = godwitd
        self.ready_file = None  # written by the server when it has its accounts
        self.certificate = make_certificate(os.path.dirname(folder)) if variant["tls"] else None

    def path(self, name):
        return os.path.join(self.folder, name)


def godwit_command(setup):
    config = write(setup.path("godwit.toml"), "registration.per_second = 1000000\nregistration.burst = 1000000\n")
    return [setup.godwitd, "--config", config, "--data", setup.path("data"), "--listen", f"127.0.0.1:{setup.port}",
            "--shards", "1", "--metrics", ""], {}


def ejabberd_command(setup):
    tls = f"    tls: true\ncertfiles:\n  - {setup.certificate}\n" if setup.variant["tls"] else "    tls: false\n"
    config = write(setup.path("ejabberd.yml"), f"""\
hosts: [localhost]
loglevel: error
log_rotate_count: 0
auth_method: internal
auth_password_format: plain
auth_cache_size: 10000
cache_size: 10000
disable_sasl_mechanisms: [digest-md5, X-OAUTH2]
c2s_protocol_options: [no_sslv3, no_tlsv1, no_tlsv1_1, no_compression]
modules:
  mod_disco: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
listen:
  -
    port: {setup.port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    backlog: 1024
    shaper: none
{tls}""")
    setup.ready_file = setup.path("ready")
    provision = (f'lists:foreach(fun(N) -> ok = ejabberd_auth:try_register(<<"u", (integer_to_binary(N))/binary>>, '
                 f'<<"localhost">>, <<"{PASSWORD}">>) end, lists:seq(0, {setup.accounts - 1})), '
                 f'ok = file:write_file("{setup.ready_file}", <<>>).')
    # As ejabberdctl starts it, without a node name: no distribution, so no epmd either. One scheduler for the one core.
    command = ["erl", "-noinput", "+K", "true", "+P", "250000", "+S", "1:1", "+SDcpu", "1:1", "-mnesia", "dir",
               f'"{setup.path("spool")}"', "-ejabberd", "log_rate_limit", "100", "-s", "ejabberd", "-eval", provision]
    environment = {
        "ERL_LIBS": os.path.dirname(sorted(glob.glob("/usr/lib/*/ejabberd-*/ebin"))[-1].rsplit("/", 1)[0]),
        "EJABBERD_CONFIG_PATH": config,
        "EJABBERD_LOG_PATH": setup.path("ejabberd.log"),
        "ERL_CRASH_DUMP_SECONDS": "0",
        "ERL_MAX_PORTS": "32000",
        "HOME": setup.folder,
    }
    return command, environment


def prosody_command(setup):
    tls = setup.variant["tls"]
    plain_port, tls_port = ("", setup.port) if tls else (setup.port, "")
    ssl = (f'ssl = {{ certificate = "{setup.certificate}.crt"; key = "{setup.certificate}.key"; protocol = "tlsv1_2+" }}\n'
           f"c2s_direct_tls_ssl = ssl\n" if tls else "")
    config = write(setup.path("prosody.cfg.lua"), f"""\
run_as_root = true
daemonize = false
pidfile = "{setup.path('prosody.pid')}"
data_path = "{setup.path('data')}"
log = {{ error = "{setup.path('prosody.log')}" }}
network_backend = "epoll"
modules_enabled = {{ "roster"; "saslauth"; "disco"; "ping"; "smacks"; {'"tls";' if tls else ''} }}
modules_disabled = {{ "s2s"; "s2s_auth_certs" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {plain_port} }}
c2s_direct_tls_ports = {{ {tls_port} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
{ssl}VirtualHost "localhost"
""")
    accounts = setup.path("data/localhost/accounts")
    for number in range(setup.accounts):
        write(f"{accounts}/{user_name(number)}.dat", f'return {{\n\t["password"] = "{PASSWORD}";\n}};\n')
    return ["prosody", "--config", config, "-F"], {}


def mosquitto_command(setup):
    tls = (f"certfile {setup.certificate}.crt\nkeyfile {setup.certificate}.key\ntls_version tlsv1.3\n"
           if setup.variant["tls"] else "")
    config = write(setup.path("mosquitto.conf"), f"""\
user root
log_dest none
persistence false
set_tcp_nodelay true
listener {setup.port} 127.0.0.1
allow_anonymous true
{tls}""")
    return ["mosquitto", "-c", config], {}


def nats_command(setup):
    config = write(setup.path("nats.conf"), f"""\
host: "127.0.0.1"
port: {setup.port}
ping_interval: "10m"
logtime: false
""")
    return ["nats-server", "-c", config], {}


def redis_command(setup):
    config = write(setup.path("redis.conf"), f"""\
bind 127.0.0.1
port {setup.port}
dir {setup.folder}
daemonize no
save ""
appendonly no
maxclients 12000
loglevel warning
""")
    return ["redis-server", config], {}


COMMANDS = {"godwit": godwit_command, "ejabberd": ejabberd_command, "prosody": prosody_command, "mosquitto": mosquitto_command,
            "nats": nats_command, "redis": redis_command}

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Server:
    """A running variant. stop() ends it and what it started; it ends with its parent too."""

    def __init__(self, name, folder, core, accounts, godwitd=None):
        self.name = name
        self.setup = Setup(folder, VARIANTS[name], accounts, godwitd)
        os.makedirs(folder, exist_ok=True)
        command, extra = COMMANDS[VARIANTS[name]["server"]](self.setup)
        program = shutil.which(command[0], path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            raise ServerError(f"{name}: there is no {command[0]}")

        def become():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, {core})

        self.log = self.setup.path("output.log")
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen([program, *command[1:]], env={**os.environ, **extra}, cwd=folder, preexec_fn=become,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    @property
    def port(self):
        return self.setup.port

    @property
    def description(self):
        """As bench_peers and bench_wire take it."""
        variant = self.setup.variant
        flags = (",tls" if variant["tls"] else "") + (",sm" if variant["management"] else "")
        return f"{self.name},{variant['protocol']},{self.port},{self.process.pid}{flags}"

    def wait(self):
        """Until it answers on its port and has its accounts."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if self.setup.ready_file is None or os.path.exists(self.setup.ready_file):
                try:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    return self
                except OSError:
                    pass
            time.sleep(0.05)
        with open(self.log, encoding="utf-8", errors="replace") as text:
            raise ServerError(f"{self.name} did not start:\n" + text.read()[-2000:])

    def stop(self):
        tree = {pid: _started(pid) for pid in process_tree(self.process.pid)}
        for pid in tree:
            _signal(pid, signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # What it left behind, if the number is still that process's.
        for pid, started in tree.items():
            if started is not None and _started(pid) == started:
                _signal(pid, signal.SIGKILL)


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _stat(pid):
    """The fields of /proc/PID/stat behind the name: state, parent, …"""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rsplit(")", 1)[1].split()


def _started(pid):
    """When a process began, in ticks since boot; None when it has gone."""
    try:
        return _stat(pid)[19]
    except OSError:
        return None


def versions(names):
    """Package and version of each server among these variants."""
    packages = [PACKAGES[VARIANTS[name]["server"]][0] for name in names if VARIANTS[name]["server"] in PACKAGES]
    return {package: version_of(package) for package in dict.fromkeys(packages)}


def machine(root):
    """What a reader must know of where it ran; `root` is the checkout."""

    def first(path, start):
        with open(path, encoding="utf-8") as text:
            return next((line.split(":", 1)[1].strip() for line in text if line.startswith(start)), "unknown")

    def git(*words):
        return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=False).stdout.strip()

    return {
        "cpu": first("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": first("/proc/meminfo", "MemTotal"),
        "kernel": os.uname().release,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load": round(os.getloadavg()[0], 1),
        "commit": git("rev-parse", "--short=12", "HEAD") + (" with changes" if git("status", "--porcelain", "-uno") else ""),
    }


def process_tree(root):
    """The process and all below it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(_stat(name)[1]), []).append(int(name))
            except OSError:
                pass
    tree = [root]
    for pid in tree:
        tree.extend(children.get(pid, []))
    return tree
