# SPDX-License-Identifier: Apache-2.0
"""Runs bench_budget under callgrind and gives its counts by stage, in the form of bench/budget.json."""
import json
import os
import re
import subprocess
import sys
import tempfile

import stages

VALGRIND = ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--dump-line=yes", "--dump-instr=no",
            "--toggle-collect=godwit::bench::counted_turn*", "--dump-after=godwit::bench::end_counted_part*"]
# Nothing of the caller's environment: it would move the stack. Bound at the start: no symbol is looked up while something is counted.
ENVIRONMENT = {"LC_ALL": "C", "LD_BIND_NOW": "1", "PATH": "/usr/bin:/bin"}
# What valgrind shows a program of these is what the libraries choose their code by.
PROCESSOR = ("aes", "avx2", "bmi2", "pclmulqdq", "sse4_2")


class CannotCount(Exception):
    pass


def run(command):
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise CannotCount(f"{' '.join(command[:2])} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def check_processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        match = re.search(r"^flags\s*: (.*)$", file.read(), re.M)
    missing = [flag for flag in PROCESSOR if not match or flag not in match[1].split()]
    if missing:
        raise CannotCount(f"this processor has no {', '.join(missing)}: libraries would take other code than the budget's")


def flags_of(build):
    """How the shard in this build was compiled, without paths and warnings."""
    try:
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            commands = [entry["command"] for entry in json.load(file) if entry["file"].endswith("bench/budget/gateway.cc")]
    except (OSError, ValueError):
        commands = []
    if not commands:
        raise CannotCount(f"{build} is no build of this checkout, or one without tests")
    return " ".join(word for word in commands[0].split()
                    if re.match(r"-(O|m|f|std=|DNDEBUG|D_FORTIFY)", word) and not word.startswith("-fdiagnostics"))


def made_with(build, program):
    comment = run(["readelf", "-p", ".comment", program])
    compilers = re.findall(r"\]\s+(.*)", comment)
    versions = run(["dpkg-query", "-W", "-f", "${Package} ${Version}; ", "libsodium23", "libc6", "libstdc++6", "valgrind"])
    return {"compiler": "; ".join(sorted(set(compilers))), "flags": flags_of(build), "libraries": versions.strip("; "),
            "processor": "as valgrind shows it: " + ", ".join(PROCESSOR)}


def count(build):
    """All figures, rounded to a tenth of an instruction."""
    check_processor()
    program = os.path.join(build, "bench", "budget", "bench_budget")
    if not os.path.exists(program):
        raise CannotCount(f"{program} is not built")
    idle = json.loads(run([program, "idle"]))
    result = {"made_with": made_with(build, program), "idle_session_bytes": round(idle["bytes"], 1), "loads": {}}
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "profile")
        parts = [json.loads(line) for line in
                 run(VALGRIND + [f"--callgrind-out-file={out}", program, "instructions"]).splitlines()]
        for number, part in enumerate(parts, 1):
            with open(f"{out}.{number}", encoding="utf-8") as file:
                profile = stages.parse(file.read())
            by_stage = stages.stages(profile)
            network = by_stage.pop(stages.NETWORK, 0.0)
            total = profile.total() - network
            each, name = part["count"], part.pop("name")
            if by_stage.get(stages.OTHER, 0.0) > 0.05 * total:
                raise CannotCount(f"{name}: {100 * by_stage[stages.OTHER] / total:.1f} % of the instructions have no stage")
            result["loads"][name] = part | {
                "total": round(total / each, 1),
                "stages": {stage: round(by_stage[stage] / each, 1) for stage in stages.STAGES
                           if by_stage.get(stage, 0.0) >= 0.05 * each},
                "network_in_memory": round(network / each, 1)}
    return result


if __name__ == "__main__":
    json.dump(count(sys.argv[1]), sys.stdout, indent=1)
