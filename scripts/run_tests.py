#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a build folder's tests and counts the single ones: run_tests.py FOLDER [--skips-fail]

meson runs the programs; the summaries that GoogleTest and unittest print are added up. A program that ends badly without a failed case counts as one failure, and so does one that ran nothing.
"""
import json
import os
import re
import subprocess
import sys

GTEST_SUMMARY = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) +\] (\d+) tests?", re.M)
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests?", re.M)
UNITTEST_BAD = re.compile(r"^FAILED \((.*)\)", re.M)
UNITTEST_SKIPPED = re.compile(r"skipped=(\d+)")


def count(output, ended_well):
    """(passed, failed, skipped) of one program's output."""
    passed = failed = skipped = 0
    for kind, number in GTEST_SUMMARY.findall(output):
        if kind == "PASSED":
            passed += int(number)
        elif kind == "FAILED":
            failed += int(number)
        else:
            skipped += int(number)
    for number in UNITTEST_RAN.findall(output):
        bad = 0
        for group in UNITTEST_BAD.findall(output):
            bad += sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", group))
        skips = sum(int(n) for n in UNITTEST_SKIPPED.findall(output))
        passed += int(number) - bad - skips
        failed += bad
        skipped += skips
    if not ended_well and failed == 0:
        failed = 1
    if passed + failed + skipped == 0:
        failed = 1
    return passed, failed, skipped


def main():
    folder = sys.argv[1]
    skips_fail = "--skips-fail" in sys.argv
    print(f"test: running the tests of {folder}/", flush=True)
    subprocess.run(["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", "2"],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    passed = failed = 0
    with open(os.path.join(folder, "meson-logs", "testlog.json"), encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            output = test.get("stdout", "") + "\n" + test.get("stderr", "")
            good, bad, skips = count(output, test["returncode"] == 0)
            if skips:
                why = sorted(set(re.findall(r"skipped '(.*)'|Skipped\n(.*)|: Skipped: (.*)", output)))
                print(f"test: {test['name']}: {skips} skipped {why if why else ''}")
                if skips_fail:
                    bad += skips
            print(f"test: {test['name']}: {good} passed, {bad} failed ({test['duration']:.1f} s)")
            if bad:
                print(output[-6000:])
            passed += good
            failed += bad
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


sys.exit(main())
