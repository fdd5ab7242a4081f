# SPDX-License-Identifier: Apache-2.0
"""Man pages and completion, held to what the programs take: the pages in packaging/man of godwitctl are
what `godwitctl man` prints (packaging/man/update writes them), those of the others name every flag, and
bash completes every command."""
import os
import re
import subprocess
import unittest

APPS = os.environ["GODWIT_APPS"]
PAGES = os.environ["GODWIT_PAGES"]


def run(name, *words):
    done = subprocess.run([os.path.join(APPS, name), *words], capture_output=True, text=True, timeout=30,
                          check=False)
    return done.returncode, done.stdout


def commands(*path):
    """The commands that --help names below this one."""
    code, text = run("godwitctl", *path, "--help")
    assert code == 0, text
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
    return re.findall(r"^  ([a-z-]+)", listed.group(1), re.M) if listed else []


def page(name):
    with open(os.path.join(PAGES, name), encoding="utf-8") as file:
        return file.read()


def complete(line):
    words = line.split(" ")
    function = "_" + words[0].replace("-", "_")
    script = run(words[0], "completion", "bash")[1]
    script += f"\nCOMP_WORDS=({' '.join(repr(word) for word in words)})\nCOMP_CWORD={len(words) - 1}\n"
    script += function + '; printf "%s\\n" "${COMPREPLY[@]}"\n'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.split()


class Pages(unittest.TestCase):
    def test_pages_of_godwitctl_are_what_it_prints(self):
        wanted = {"godwitctl.1": run("godwitctl", "man")[1]}
        for command in commands():
            wanted[f"godwitctl-{command}.1"] = run("godwitctl", "man", command)[1]
        found = {name for name in os.listdir(PAGES) if name.startswith("godwitctl")}
        self.assertEqual(found, set(wanted))
        for name, text in wanted.items():
            self.assertEqual(page(name), text, f"{name}: run packaging/man/update")

    def test_every_command_and_option_has_its_words(self):
        for command in commands():
            text = page(f"godwitctl-{command}.1")
            for below in commands(command):
                self.assertIn(f"\n.SS {command} {below}\n", text)
        self.assertIn("\\-\\-spread", page("godwitctl-drain.1"))
        self.assertIn("\\-\\-uses", page("godwitctl-invites.1"))

    def test_pages_of_the_others_name_every_flag(self):
        for program, name, below in (("godwitd", "godwitd.8", [()]),
                                     ("godwit", "godwit.1", [(), ("register",), ("send",), ("receive",), ("chat",)]),
                                     ("godwit-load", "godwit-load.1",
                                      [(), ("register",), ("messages",), ("offline",), ("logins",), ("idle",),
                                       ("churn",)])):
            text = page(name).replace("\\-", "-")
            for words in below:
                code, usage = run(program, *words, "--help")
                self.assertEqual(code, 0)
                flags = set(re.findall(r"--[a-z-]+", usage)) - {"--help", "--help-all"}
                for flag in flags:
                    self.assertIn(flag, text, f"{program} {words}")

    def test_unknown_page(self):
        self.assertEqual(run("godwitctl", "man", "nothing")[0], 2)
        self.assertEqual(run("godwitctl", "completion", "csh")[0], 2)

    def test_completion(self):
        self.assertEqual(set(commands()) - set(complete("godwitctl ")), set())
        self.assertEqual(complete("godwitctl acc"), ["accounts"])
        for group in ("accounts", "invites", "sessions", "queues"):
            self.assertEqual(set(commands(group)) - set(complete(f"godwitctl --json {group} ")), set())
        self.assertEqual(complete("godwitctl --socket /x invites create --us"), ["--uses"])
        self.assertEqual(complete("godwitctl accounts show "), ["--help"])
        self.assertEqual(complete("godwitctl invites create --uses 3 --us"), ["--uses"])
        self.assertEqual(complete("godwit-load off"), ["offline"])
        self.assertEqual(complete("godwit-load --threads 2 messages --win"), ["--window"])
        self.assertEqual(complete("godwit-load messages --thr"), ["--threads"])
        self.assertEqual(complete("godwit-load idle --win"), [])


if __name__ == "__main__":
    unittest.main()
