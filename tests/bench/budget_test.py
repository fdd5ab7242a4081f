# SPDX-License-Identifier: Apache-2.0
"""The instruction budget's comparison, on made-up figures, and its reading of profiles, on a made-up one."""
import copy
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "budget"))

import budget  # noqa: E402
import stages  # noqa: E402

BUDGET = {
    "made_with": {"compiler": "GCC 12", "flags": "-O3"},
    "idle_session_bytes": 448.2,
    "loads": {
        "window_1": {"unit": "message", "total": 9000.0, "stages": {"open": 2000.0, "seal": 2000.0, "home": 4990.0, "timers": 10.0}},
        "login": {"unit": "login", "total": 2000000.0, "stages": {"handshake": 2000000.0}},
    },
}


def changed(load, stage, value):
    new = copy.deepcopy(BUDGET)
    new["loads"][load]["stages"][stage] = value
    new["loads"][load]["total"] = sum(new["loads"][load]["stages"].values())
    return new


class Comparison(unittest.TestCase):
    def broken(self, new):
        return budget.compare(BUDGET, new)[1]

    def test_the_same_holds(self):
        self.assertEqual(budget.compare(BUDGET, copy.deepcopy(BUDGET)), (8, []))

    def test_a_stage_that_rises_by_two_percent_holds(self):
        self.assertEqual(self.broken(changed("window_1", "open", 2040.0)), [])

    def test_a_stage_that_rises_by_three_percent_holds(self):
        self.assertEqual(self.broken(changed("window_1", "open", 2060.0)), [])

    def test_of_other_makers_ten_percent_hold_and_eleven_do_not(self):
        for value, failures in ((2200.0, 0), (2220.0, 1)):
            new = changed("window_1", "open", value)
            new["made_with"]["compiler"] = "GCC 13"
            self.assertEqual(len(self.broken(new)), failures)

    def test_a_stage_that_rises_by_four_percent_fails_and_is_named(self):
        self.assertEqual(self.broken(changed("window_1", "open", 2080.0)),
                         ["window_1: open rose from 2000 to 2080, +4.0 %"])

    def test_a_total_that_rises_fails_although_no_stage_does(self):
        new = copy.deepcopy(BUDGET)
        new["loads"]["window_1"]["total"] = 9360.0
        self.assertEqual(self.broken(new), ["window_1: total rose from 9000 to 9360, +4.0 %"])

    def test_a_few_instructions_are_no_rise(self):
        self.assertEqual(self.broken(changed("window_1", "timers", 13.0)), [])
        self.assertEqual(self.broken(changed("window_1", "timers", 13.1)),
                         ["window_1: timers rose from 10 to 13.1, +31.0 %"])

    def test_a_new_stage_has_no_budget(self):
        self.assertEqual(self.broken(changed("window_1", "parse", 3.0)), [])
        self.assertEqual(self.broken(changed("window_1", "parse", 4.0)), ["window_1: parse rose from 0 to 4"])

    def test_a_stage_that_is_gone_holds(self):
        new = copy.deepcopy(BUDGET)
        del new["loads"]["window_1"]["stages"]["timers"]
        self.assertEqual(self.broken(new), [])

    def test_a_load_that_is_gone_or_new_fails(self):
        new = copy.deepcopy(BUDGET)
        new["loads"]["logout"] = new["loads"].pop("login")
        self.assertEqual(self.broken(new), ["login: total was not measured", "logout: handshake rose from 0 to 2e+06",
                                            "logout: total is new, 2e+06, and has no budget"])

    def test_bytes_of_an_idle_session_are_held_too(self):
        self.assertEqual(self.broken(BUDGET | {"idle_session_bytes": 461.0}), [])
        self.assertEqual(self.broken(BUDGET | {"idle_session_bytes": 466.2}),
                         ["idle_session_bytes rose from 448.2 to 466.2, +4.0 %"])

    def test_what_fell_is_said(self):
        self.assertEqual(budget.lowered(BUDGET, changed("window_1", "open", 1000.0)),
                         ["window_1: open fell from 2000 to 1000", "window_1: total fell from 9000 to 8000"])

    def test_other_makers_are_named(self):
        new = BUDGET | {"made_with": {"compiler": "GCC 13", "flags": "-O3"}}
        self.assertEqual(budget.differing_makers(BUDGET, new), ["compiler: the budget's is GCC 12, this one's GCC 13"])

    def test_the_table_has_each_stage_with_its_difference(self):
        lines = budget.table(changed("window_1", "open", 2080.0), BUDGET).splitlines()
        self.assertIn("2080 (+80)", next(line for line in lines if line.startswith("open")))
        self.assertIn("9080 (+80)", next(line for line in lines if line.startswith("total")))
        self.assertEqual(lines[-1], "bytes an idle session: 448.2")


# A turn that opens frames and copies; the copying is called twice, from opening and from writing.
PROFILE = """# callgrind format
positions: line
events: Ir
summary: 1000

ob=(1) program
fl=(1) /x/dataplane/shard.h
fn=(1) godwit::dataplane::Shard<Io>::turn(godwit::Now)
10 100
fi=(2) /x/dataplane/front_input.h
20 50
cfi=(3) ???
cfn=(2) godwit::crypto::open(godwit::crypto::AeadCache&)
calls=5 0
+1 450
fe=(4) /x/dataplane/front_output.h
* 100
cfi=(3)
cfn=(3) memcpy
calls=1 0
* 300
fe=(1)

fl=(3)
fn=(2)
0 350
cfn=(3)
calls=2 0
0 100

fn=(3)
0 400

totals: 1000
"""


class ReadingProfiles(unittest.TestCase):
    def test_every_instruction_is_counted_once(self):
        self.assertEqual(stages.parse(PROFILE).total(), 1000)

    def test_inlined_code_is_of_its_own_file_and_copying_of_its_callers(self):
        found = stages.stages(stages.parse(PROFILE))
        self.assertEqual({stage: round(cost) for stage, cost in found.items()},
                         {"turn": 100, "read": 50, "open": 450, "write": 400})

    def test_what_nobody_calls_has_no_stage(self):
        self.assertEqual(stages.stages(stages.parse("fl=(1) ???\nfn=(1) strange\n0 7\n")), {stages.OTHER: 7})

    def test_functions_that_call_each_other_end(self):
        text = "fl=(1) ???\nfn=(1) a\n0 5\ncfn=(2) b\ncalls=1 0\n0 5\n\nfn=(2)\n0 5\ncfn=(1)\ncalls=1 0\n0 5\n"
        self.assertEqual(sum(stages.stages(stages.parse(text)).values()), 10)


if __name__ == "__main__":
    unittest.main()
