# SPDX-License-Identifier: Apache-2.0
"""Shows that secrets reach no branch, address or division: constant_time_test.py PROGRAM:ARCHIVE:PLANTED ...

Each PROGRAM is one optimisation level and one choice of instructions, the ARCHIVE objects of the product code it is made of,
and PLANTED those of the planted leaks, which must all be caught, once for each PLANTED.
"""
import os
import re
import shutil
import subprocess
import sys
import unittest

BUILDS = [argument.split(":") for argument in sys.argv[1:]]
LEAKED = 99  # the exit code that valgrind is asked for
DIVISION = re.compile(r"\t(i?div[bwlq]?)\s", re.M)
UNSEEN_BY_MEMCHECK = {"division_by_q"}


def names(program, which):
    return subprocess.run([program, which], check=True, capture_output=True, text=True, timeout=60).stdout.split()


def under_valgrind(program, *operations):
    """The exit code, and what memcheck said."""
    done = subprocess.run(["valgrind", "--quiet", f"--error-exitcode={LEAKED}", program, *operations],
                          capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr[:4000]


def divisions(path):
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path],
                          check=True, capture_output=True, text=True, timeout=60).stdout
    return DIVISION.findall(code)


@unittest.skipIf(shutil.which("valgrind") is None or not BUILDS, "valgrind or its headers are not installed")
class ConstantTime(unittest.TestCase):
    def test_no_operation_leaks(self):
        for program, _, _ in BUILDS:
            operations = names(program, "list")
            self.assertGreaterEqual(len(operations), 20)
            with self.subTest(program=os.path.basename(program)):
                code, said = under_valgrind(program, *operations)
                self.assertEqual(code, 0, said)

    def test_every_planted_leak_is_caught(self):
        for program in {planted: program for program, _, planted in BUILDS}.values():
            planted = names(program, "planted")
            self.assertTrue(UNSEEN_BY_MEMCHECK < set(planted))
            for name in planted:
                with self.subTest(program=os.path.basename(program), leak=name):
                    code, said = under_valgrind(program, name)
                    if name in UNSEEN_BY_MEMCHECK:
                        self.assertEqual(code, 0, said)
                    else:
                        self.assertEqual(code, LEAKED, said)
                        self.assertRegex(said, "uninitialised value")


@unittest.skipIf(shutil.which("objdump") is None or not BUILDS, "objdump or valgrind's headers are not installed")
class Division(unittest.TestCase):
    def test_there_is_none(self):
        for _, archive, _ in BUILDS:
            with self.subTest(archive=os.path.basename(archive)):
                self.assertEqual(divisions(archive), [])

    def test_the_planted_one_is_found(self):
        for _, _, planted in BUILDS:
            with self.subTest(archive=os.path.basename(planted)):
                self.assertNotEqual(divisions(planted), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
