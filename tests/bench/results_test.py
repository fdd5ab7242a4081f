# SPDX-License-Identifier: Apache-2.0
"""scripts/bench: comparison of results, on made-up ones, and the reading of programs' outputs, on made-up ones."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "bench", "results"))

import compare  # noqa: E402
import programs  # noqa: E402


def result(figures, **machine):
    return {"machine": {"host": "here", "commit": "0123456789abcdef", "date": "2026-01-01", "cpu": "a CPU"} | machine,
            "repetitions": 5, "figures": figures}


def figure(values, better="less", **more):
    return {"values": values, "unit": "ns", "better": better} | more


def verdict(old, new):
    return compare.rows(result({"x": old} if old else {}), result({"x": new} if new else {}))[0].verdict


class Verdicts(unittest.TestCase):
    def test_ranges_apart_have_moved(self):
        self.assertEqual(verdict(figure([100, 101, 102]), figure([110, 111, 112])), compare.WORSE)
        self.assertEqual(verdict(figure([100, 101, 102]), figure([90, 91, 92])), compare.BETTER)

    def test_more_may_be_better_or_nothing_to_judge(self):
        self.assertEqual(verdict(figure([100, 101], "more"), figure([110, 111], "more")), compare.BETTER)
        self.assertEqual(verdict(figure([100, 101], "neither"), figure([110, 111], "neither")), compare.MOVED)

    def test_ranges_that_meet_are_noise(self):
        self.assertEqual(verdict(figure([100, 101, 111]), figure([110, 112, 114])), compare.SAME)
        self.assertEqual(verdict(figure([100, 101, 110]), figure([110, 112, 114])), compare.SAME)

    def test_a_little_is_noise_although_ranges_are_apart(self):
        self.assertEqual(verdict(figure([1000, 1001]), figure([1020, 1021])), compare.SAME)
        self.assertEqual(verdict(figure([1000, 1001]), figure([1021, 1022])), compare.WORSE)

    def test_of_one_value_the_noise_is_unknown(self):
        self.assertEqual(verdict(figure([100]), figure([200, 201])), compare.UNKNOWN)
        self.assertEqual(verdict(figure([100, 101]), figure([200])), compare.UNKNOWN)

    def test_an_exact_figure_has_no_noise(self):
        self.assertEqual(verdict(figure([100], exact=True), figure([100.1], exact=True)), compare.WORSE)
        self.assertEqual(verdict(figure([100], exact=True), figure([100], exact=True)), compare.SAME)

    def test_missing_and_new(self):
        self.assertEqual(verdict(figure([1, 2]), None), compare.GONE)
        self.assertEqual(verdict(None, figure([1, 2])), compare.NEW)

    def test_from_nothing(self):
        self.assertEqual(verdict(figure([0, 0]), figure([0, 0])), compare.SAME)
        self.assertEqual(verdict(figure([0, 0]), figure([5, 6])), compare.WORSE)


class Report(unittest.TestCase):
    OLD = {"slower": figure([100, 101, 102]), "same": figure([50, 51, 52]), "gone": figure([1, 2])}
    NEW = {"slower": figure([150, 151, 152]), "same": figure([50, 51, 53]), "fresh": figure([3, 4])}

    def test_what_moved_is_told_with_its_noise(self):
        text = compare.report(result(self.OLD), result(self.NEW))
        row = next(line for line in text.splitlines() if line.startswith("slower"))
        self.assertRegex(row, r"ns +101 ±1\.0% +151 ±0\.7% +\+49\.5% +worse$")
        self.assertRegex(text, r"gone .* missing")
        self.assertRegex(text, r"fresh .* new")
        self.assertNotRegex(text, r"(?m)^same")
        self.assertTrue(text.endswith("1 worse, 1 missing, 1 new, 1 within noise"))

    def test_all_shows_the_rest_too(self):
        self.assertRegex(compare.report(result(self.OLD), result(self.NEW), everything=True), r"(?m)^same .* within noise$")

    def test_worst_first(self):
        new = {"a": figure([110, 111]), "b": figure([200, 201]), "c": figure([50, 51])}
        found = compare.rows(result({name: figure([100, 101]) for name in "abc"}), result(new))
        self.assertEqual([row.name for row in found], ["b", "a", "c"])

    def test_other_machines_are_named(self):
        text = compare.report(result(self.OLD), result(self.NEW, cpu="another CPU", kernel="7"))
        self.assertIn("not the same cpu: a CPU and another CPU", text)
        self.assertIn("not the same kernel: None and 7", text)

    def test_nothing(self):
        self.assertIn("nothing to compare", compare.report(result({}), result({})))


class Readers(unittest.TestCase):
    def test_google_benchmark(self):
        text = json.dumps({"benchmarks": [
            {"name": "seal/16", "run_type": "iteration", "cpu_time": 10.0, "real_time": 12.0, "time_unit": "ns"},
            {"name": "ring/1/real_time", "run_type": "iteration", "cpu_time": 10.0, "real_time": 12.0, "time_unit": "us"},
            {"name": "seal/16_mean", "run_type": "aggregate", "cpu_time": 1.0, "real_time": 1.0, "time_unit": "ns"},
            {"name": "no_aes", "run_type": "iteration", "error_occurred": True, "cpu_time": 0.0, "real_time": 0.0, "time_unit": "ns"},
        ]})
        found = programs.google("queues")("", text)
        self.assertEqual({name: (entry["value"], entry["unit"]) for name, entry in found.items()},
                         {"queues/seal/16": (10.0, "ns"), "queues/ring/1": (12.0, "us")})

    def test_gateway_cost(self):
        text = ('{"benchmark":"machine"}\n'
                '{"benchmark":"message_cost","window":8,"godwit_us_per_message":1.5,"godwit_shard_us_per_message":1.2,'
                '"relay_us_per_message":1.0,"ratio":1.5}\n'
                '{"benchmark":"session_cost","resident_bytes_per_session":700,"resident_bytes_per_session_marginal":600,'
                '"xxhfs_logins_per_cpu_second":3500,"xx_logins_per_cpu_second":4500}\n')
        found = programs.gateway_cost("", text)
        self.assertEqual(found["gateway_cost/window_8/ratio"]["value"], 1.5)
        self.assertEqual(found["gateway_cost/window_8/relay"]["better"], programs.NEITHER)
        self.assertEqual(found["gateway_cost/xxhfs_logins_per_cpu_second"]["better"], programs.MORE)
        self.assertEqual(len(found), 8)

    def test_flood_and_fairness(self):
        flood = programs.flood("", '{"attack": "silent ones", "addresses": 180, "per_second": 5, "flooded_p99_us": 9, "ratio": 2}')
        self.assertEqual(flood["flood/silent_ones/180_addresses/p99"]["value"], 9.0)
        fairness = programs.fairness("", '{"beside": "never reads", "messages_per_second": 5, "p99_us": 9, "ratio": 2, '
                                         '"resident_mb": 30, "calm_p99_us": 4}')
        self.assertEqual(fairness["fairness/never_reads/messages"]["better"], programs.MORE)

    def test_storm(self):
        table = ("                                      seconds   attempts of arrival\n"
                 "arrival                                  7.90      10000       1.00\n"
                 "drained, within 5 s                      5.40      10000       0.68\n")
        self.assertEqual({name: entry["value"] for name, entry in programs.storm(table, "").items()},
                         {"storm/arrival": 7.9, "storm/drained,_within_5_s": 5.4})

    def test_tcp(self):
        text = ('{"benchmark":"machine","cpu":"x"}\n{"benchmark":"tcp_machine_load","load":1.0}\n'
                '{"benchmark":"tcp_idle","connections":1000,"resident_bytes_each":306.0,"open_ns":1500.0}\n'
                '{"benchmark":"tcp_messages","connections":1000,"offload":true,"ns":600,"ns_frame_in":350,"frames_in":7}\n'
                '{"benchmark":"tcp_attack","attack":"SYN","ns":400,"answers":1,"resident_growth":0}\n'
                '{"benchmark":"tcp_beside_kernel","kernel_ns":7000,"ours_ns":700,"ratio":10}\n')
        found = {name: (entry["value"], entry["unit"], entry["better"]) for name, entry in programs.tcp("", text).items()}
        self.assertEqual(found, {
            "tcp/idle/1000/resident_bytes_each": (306.0, "B", "less"), "tcp/idle/1000/open_ns": (1500.0, "ns", "less"),
            "tcp/messages/offload/1000/ns": (600.0, "ns", "less"), "tcp/messages/offload/1000/ns_frame_in": (350.0, "ns", "less"),
            "tcp/attack/SYN/ns": (400.0, "ns", "less"), "tcp/attack/SYN/resident_growth": (0.0, "B", "less"),
            "tcp/beside_kernel/kernel_ns": (7000.0, "ns", "neither"), "tcp/beside_kernel/ours_ns": (700.0, "ns", "less"),
            "tcp/beside_kernel/ratio": (10.0, "x", "more")})

    def test_budget(self):
        text = json.dumps({"idle_session_bytes": 448.2, "loads": {"window_1": {"stages": {"open": 2000.0}, "total": 9000.0}}})
        found = programs.budget("", text)
        self.assertEqual(set(found), {"budget/idle_session", "budget/window_1/open", "budget/window_1/total"})
        self.assertTrue(all(entry["exact"] for entry in found.values()))


class Command(unittest.TestCase):
    def run_bench(self, *arguments):
        return subprocess.run([sys.executable, "-B", os.path.join(ROOT, "scripts", "bench"), *arguments],
                              capture_output=True, text=True, timeout=60)

    def test_compares_two_files(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, figures in (("old", Report.OLD), ("new", Report.NEW)):
                paths.append(os.path.join(folder, name))
                with open(paths[-1], "w", encoding="utf-8") as file:
                    json.dump(result(figures), file)
            done = self.run_bench("--compare", *paths)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("1 worse, 1 missing, 1 new, 1 within noise", done.stdout)
            # NEW left out is what the last run wrote.
            again = self.run_bench("--compare", paths[0], "--out", paths[1])
            self.assertEqual(again.stdout, done.stdout)

    def test_refuses_what_is_no_result(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write("{}")
            file.flush()
            done = self.run_bench("--compare", file.name, file.name)
            self.assertEqual(done.returncode, 1)
            self.assertIn("is not a file that scripts/bench has written", done.stderr)
        self.assertEqual(self.run_bench("--compare", "/nowhere").returncode, 1)

    def test_refuses_wrong_arguments(self):
        for wrong in (["--only", "nothing"], ["--repetitions", "0"], ["--repetitions", "1001"], ["--compare", "a", "b", "c"]):
            done = self.run_bench(*wrong)
            self.assertEqual(done.returncode, 2, wrong)
            self.assertIn("usage:", done.stderr)


if __name__ == "__main__":
    unittest.main()
