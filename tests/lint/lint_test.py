# SPDX-License-Identifier: Apache-2.0
"""Holds the folder order and the form of files, and shows that each check finds what it looks for."""
import os
import unittest

import lint

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HEAD = "// SPDX-License-Identifier: Apache-2.0\n#pragma once\n"


class TheTree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "meson.build"), encoding="utf-8") as file:
            cls.graph = lint.folder_graph(file.read())
        cls.sources = list(lint.sources(ROOT))

    def test_graph_is_read(self):
        self.assertEqual(set(self.graph), {"base", "queues", "crypto", "protocol", "dataplane", "control", "client", "apps"})
        self.assertNotIn("control", self.graph["dataplane"])
        self.assertNotIn("dataplane", self.graph["control"])
        self.assertEqual(self.graph["base"], {"base"})
        self.assertGreater(len(self.sources), 50)

    def test_folder_order(self):
        self.assertEqual([w for path, text in self.sources for w in lint.check_includes(path, text, self.graph)], [])

    def test_no_database_in_the_dataplane(self):
        self.assertEqual([w for path, text in self.sources for w in lint.check_no_database(path, text)], [])

    def test_form(self):
        self.assertEqual([w for path, text in self.sources for w in lint.check_form(path, text)], [])

    def test_every_test_is_registered(self):
        for folder, _, files in os.walk(os.path.join(ROOT, "tests")):
            if "meson.build" not in files:
                continue
            with open(os.path.join(folder, "meson.build"), encoding="utf-8") as file:
                meson = file.read()
            for name in files:
                stem, end = os.path.splitext(name)
                if end in (".cc", ".py") and stem.endswith("_test"):
                    registered = stem in meson or stem.removesuffix("_test") in meson
                    self.assertTrue(registered, f"{folder}/{name}")


class ThePlanted(unittest.TestCase):
    GRAPH = {"dataplane": {"base", "dataplane"}, "control": {"base", "control"}}

    def test_include_against_the_order(self):
        self.assertTrue(lint.check_includes("dataplane/x.h", '#include "control/config.h"\n', self.GRAPH))
        self.assertFalse(lint.check_includes("dataplane/x.h", '#include "base/bytes.h"\n', self.GRAPH))

    def test_database(self):
        self.assertTrue(lint.check_no_database("dataplane/x.h", '#include "queues/sqlite_store.h"\n'))

    def test_form(self):
        self.assertFalse(lint.check_form("a.h", HEAD))
        self.assertTrue(lint.check_form("a.h", HEAD.replace("Apache", "No")))
        self.assertTrue(lint.check_form("a.h", HEAD.replace("#pragma once", "")))
        self.assertTrue(lint.check_form("a.h", HEAD + "\n" * 499))
        self.assertFalse(lint.check_form("a.h", HEAD + "\n" * 498))
        self.assertTrue(lint.check_form("a.h", HEAD + "// TO" + "DO\n"))


if __name__ == "__main__":
    unittest.main()
