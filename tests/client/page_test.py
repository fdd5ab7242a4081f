# SPDX-License-Identifier: Apache-2.0
"""The code on docs/client.md is the code that is compiled: page_test.py REPOSITORY"""
import os
import re
import sys
import unittest

ROOT = sys.argv.pop(1)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as text:
        return text.read()


class Page(unittest.TestCase):
    def test_code_is_in_the_example(self):
        blocks = re.findall(r"^```cpp\n(.*?)^```", read("docs/client.md"), re.M | re.S)
        self.assertTrue(blocks)
        for block in blocks:
            self.assertIn(block, read("client/example.cc"))

    def test_calls_of_the_table_exist(self):
        page = read("docs/client.md")
        headers = read("client/client.h") + read("client/state.h")
        table = page[page.index("| call |"):page.index("An error of")]
        calls = re.findall(r"(\w+)\(", " ".join(re.findall(r"`([^`]*)`", table)))
        self.assertGreater(len(calls), 10)
        for call in calls:
            self.assertRegex(headers, rf"\b{call}\(")
        for event in re.findall(r"events\.(\w+)", page):
            self.assertRegex(headers, rf"> {event} =")


if __name__ == "__main__":
    unittest.main()
