# SPDX-License-Identifier: Apache-2.0
"""What a result has to say of the machine, the compiler and the source it is from."""
import datetime
import json
import os
import platform
import re
import subprocess


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def cpu_model():
    match = re.search(r"^model name\s*: (.*)$", read("/proc/cpuinfo"), re.M)
    return match[1] if match else platform.machine()


def caches():
    """Of the first core: level, kind, size, and which cores share it."""
    found = []
    folder = "/sys/devices/system/cpu/cpu0/cache"
    for index in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if index.startswith("index"):
            level, kind, size, shared = (read(f"{folder}/{index}/{name}") for name in ("level", "type", "size", "shared_cpu_list"))
            found.append(f"L{level} {kind.lower()} {size}, cores {shared}")
    return found


def memory_bytes():
    match = re.search(r"^MemTotal:\s*(\d+) kB$", read("/proc/meminfo"), re.M)
    return int(match[1]) * 1024 if match else 0


def git(root, *arguments):
    done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def compiler(build):
    try:
        with open(os.path.join(build, "meson-info", "intro-compilers.json"), encoding="utf-8") as file:
            entry = json.load(file)["host"]["cpp"]
            return entry.get("full_version") or f"{entry['id']} {entry['version']}"
    except (OSError, ValueError, KeyError):
        pass
    log = read(os.path.join(build, "meson-logs", "meson-log.txt"))
    match = re.search(r'^C\+\+ compiler for the host machine: .*"(.*)"\)$', log, re.M)
    return match[1] if match else ""


def describe(root, build):
    return {
        "host": platform.node(),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "memory_bytes": memory_bytes(),
        "kernel": platform.release(),
        # Empty where there is none to read, as on most virtual machines.
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "compiler": compiler(build),
        "commit": git(root, "rev-parse", "HEAD"),
        "uncommitted_changes": bool(git(root, "status", "--porcelain", "--untracked-files=no")),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "load_average": os.getloadavg()[0],
    }
