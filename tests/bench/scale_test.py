# SPDX-License-Identifier: Apache-2.0
"""bench/scale: how counts become loads and shards, figures, table and plot, from results made here."""
import json
import os
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/results"))
import page  # noqa: E402
import scale_page  # noqa: E402


def look(cpu, time=0.0, anonymous=0, messages=0):
    return {"cpu": cpu, "shard_cpu": cpu / 2, "time": time, "anonymous": anonymous, "messages_delivered_total": messages}


def point(sessions, shards, us=20.0, **more):
    return {"network": "io_uring", "sessions": sessions, "shards": shards, "load_average": 1.5, "bytes_session": 700.0,
            "bytes_session_second_half": 600.0, "kernel_bytes_session": -12.0, "us_login": 170.0, "us_message_all": us,
            "us_message_few": 10.0, "idle_ms_second": 0.5} | more


def result(points, others=(), problem=""):
    return {"machine": {"cpu": "A & B <CPU>", "kernel": "6.1", "date": "2026-01-02T03:04:05+00:00", "commit": "0123456789abcdef",
                        "uncommitted_changes": False},
            "points": points, "others": list(others), "problem": problem, "settings": {"rate": 2000.0}}


class Reading(unittest.TestCase):
    def test_metrics_are_summed_over_their_labels(self):
        text = '# HELP a it\n# TYPE a gauge\na{shard="0"} 2\na{shard="1"} 3\nb 1.5e3\n'
        self.assertEqual(scale_page.metrics_of(text), {"a": 5.0, "b": 1500.0})

    def test_slab(self):
        self.assertEqual(scale_page.slab_of("MemTotal: 9 kB\nSlab:   12 kB\n"), 12 * 1024)
        self.assertEqual(scale_page.slab_of(""), 0)

    def test_an_interruption_explains_what_it_leaves_open_and_nothing_else(self):
        left = ["interrupted", "3 messages were accepted and did not arrive", "account 7: arrived twice"]
        self.assertEqual(scale_page.problems_of({"problems": left}, True), left[2:])
        self.assertEqual(scale_page.problems_of({"problems": left}, False), left)

    def test_lines_of_bench_tcp(self):
        lines = [{"benchmark": "tcp_idle", "connections": 1000000, "resident_bytes_each": 328},
                 {"benchmark": "tcp_messages", "connections": 1000000, "offload": False, "ipv6": False, "ns": 2500},
                 {"benchmark": "tcp_messages", "connections": 1000, "offload": False, "ipv6": False, "ns": 700},
                 {"benchmark": "tcp_messages", "connections": 1000, "offload": False, "ipv6": True, "ns": 900},
                 {"benchmark": "tcp_messages", "connections": 1000, "offload": True, "ipv6": False, "ns": 600},
                 {"benchmark": "tcp_attack", "ns": 1}]
        found = scale_page.tcp_points([json.dumps(line) for line in lines] + ["\n"])
        self.assertEqual([(p["sessions"], p["us_message_all"], p.get("bytes_session")) for p in found],
                         [(1000, 0.7, None), (1000000, 2.5, 328)])

    def test_a_point_of_what_a_load_asked(self):
        def phase(name, logins, before, cpu_s, seconds, us=0.0):
            threads = [{"name": "shard-0", "us_per_message": us - 1}, {"name": "storage-0", "us_per_message": 1.0}]
            return {"name": name, "counts": {"logins": logins}, "seconds": seconds, "messages_per_second": 20.0,
                    "latency": {"arrival": {"p50_us": 3.0, "p99_us": 9.0}},
                    "server": {"anonymous_bytes_before": before, "cpu_s": cpu_s, "share_of_a_core": cpu_s / seconds,
                               "us_per_message": us, "threads": threads}}

        found = scale_page.point_of_load({"phases": [
            phase("first half", 100, 1000, 0.02, 1.0), phase("second half", 100, 91_000, 0.04, 2.0), phase("idle", 0, 151_000, 0.05, 10.0),
            phase("few", 0, 0, 1.0, 10.0, 5.0), phase("all", 0, 0, 2.0, 10.0, 8.0)]})
        self.assertEqual([found[key] for key in ("sessions", "shards", "bytes_session", "bytes_session_second_half")], [200, 1, 750, 600])
        self.assertAlmostEqual(found["us_login"], 300.0)
        self.assertAlmostEqual(found["idle_ms_second"], 5.0)
        self.assertEqual([found[key] for key in ("us_message_few", "us_message_few_shards", "us_message_all")], [5.0, 4.0, 8.0])

    def test_points_of_dpdk_from_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"rows": [], "points": [{"sessions": 1000000, "us_login": 90.0}, {"rate": 3}]}, file)
            file.flush()
            self.assertEqual(scale_page.points_of_others(file.name, ""),
                             [{"network": "DPDK", "sessions": 1000000, "us_login": 90.0}])
        self.assertEqual(scale_page.dpdk_points({"rows": []}), [])


class Plan(unittest.TestCase):
    def test_loads_have_descriptors_for_their_connections(self):
        most = 20000 - scale_page.SPARE
        for count in (2, 100, most - 2, most, most + 2, 100000, 100001):
            parts = scale_page.shares(count, 20000)
            self.assertEqual(sum(parts), count)
            self.assertLessEqual(max(parts), most)
            self.assertTrue(all(part % 2 == 0 for part in parts[1:]), parts)
        self.assertEqual(len(scale_page.shares(most, 20000)), 1)
        self.assertEqual(len(scale_page.shares(most + 2, 20000)), 2)

    def test_shards_have_descriptors_for_all_and_those_that_talk(self):
        most = 20000 - scale_page.SPARE - 1000
        self.assertEqual(scale_page.shards_for(most, 20000), 1)
        self.assertEqual(scale_page.shards_for(most + 1, 20000), 2)
        self.assertEqual(scale_page.shards_for(100000, 20000), 6)

    def test_smaller_counts_come_again_with_the_shards_of_the_largest(self):
        self.assertEqual(scale_page.plan([1000, 100000], 20000, 0), [(1000, 1), (100000, 6), (1000, 6)])
        self.assertEqual(scale_page.plan([1000, 10000], 20000, 0), [(1000, 1), (10000, 1)])
        self.assertEqual(scale_page.plan([1000, 10000], 20000, 3), [(1000, 3), (10000, 3)])


class Figures(unittest.TestCase):
    def test_silence_and_few(self):
        looks = [look(0, anonymous=1000), look(0, anonymous=9000), look(0, anonymous=13000)]
        found = scale_page.silent_figures(10, looks, [0, 50, 400], {"cpu": 0.002, "shard_cpu": 0.001, "count": 10},
                                          [look(1.0, 5.0), look(1.5, 10.0)], [look(0, 0), look(1.0, 2.0, messages=100000)])
        self.assertEqual(found["bytes_session"], 1200)
        self.assertEqual(found["bytes_session_second_half"], 800)
        self.assertEqual(found["kernel_bytes_session"], 40)
        self.assertAlmostEqual(found["us_login"], 200)
        self.assertAlmostEqual(found["us_login_shards"], 100)
        self.assertAlmostEqual(found["idle_ms_second"], 100)
        self.assertAlmostEqual(found["us_message_few"], 10)
        self.assertAlmostEqual(found["us_message_few_shards"], 5)
        self.assertAlmostEqual(found["messages_per_second_few"], 50000)
        self.assertAlmostEqual(found["busy_few"], 0.5)

    def test_too_few_messages_are_no_measurement(self):
        self.assertIn("us_message_all", scale_page.message_figures("all", [look(0), look(1.0, 1.0, messages=100)]))
        with self.assertRaises(OSError):
            scale_page.message_figures("all", [look(0), look(1.0, 1.0, messages=99)])


class Pages(unittest.TestCase):
    points = [point(1000, 1), point(100000, 6, 90.0), point(1000, 6, 30.0)]
    others = [{"network": "our TCP alone", "sessions": 1000000, "bytes_session": 328, "us_message_all": 2.5}]

    def test_table_has_a_row_a_point(self):
        lines = scale_page.table(result(self.points, self.others)).splitlines()
        self.assertIn("load 1.5 to 1.5", lines[0])
        rows = [line for line in lines if line.startswith("| io_uring") or line.startswith("| our")]
        self.assertEqual(rows[1], "| io_uring | 6 | 100 000 | 700 | 600 | -12.0 | 170 | 90.0 | 10.0 | 0.500 |")
        self.assertEqual(rows[3], "| our TCP alone | – | 1 000 000 | 328 | – | – | – | 2.50 | – | – |")
        self.assertEqual(len({line.count("|") for line in lines if line.startswith("|")}), 1)

    def test_a_run_that_ended_early_says_so(self):
        text = scale_page.table(result([], [], "stuck with 7 of 9 sessions"))
        self.assertIn("Not complete: stuck with 7 of 9 sessions.", text)

    def test_lines(self):
        lines = scale_page.series(result(self.points, self.others))
        self.assertEqual([(title, [p["sessions"] for p in points]) for title, points in lines],
                         [("io_uring, shards as needed", [1000, 100000]), ("io_uring, 6 shards", [1000, 100000]),
                          ("our TCP alone", [1000000])])
        self.assertEqual([title for title, _ in scale_page.series(result([point(1000, 1), point(10000, 1)]))], ["io_uring, 1 shard"])

    def test_plot_is_well_formed_and_for_light_and_dark_pages(self):
        for points, others in ((self.points, self.others), ([point(1000, 1)], ()), ([], self.others)):
            text = scale_page.plot(result(points, others))
            document = xml.dom.minidom.parseString(text)
            drawn = sum(sum(p.get(key) is not None for key, _ in scale_page.PANELS) for p in points) + 2 * len(others)
            again = 4 if len(points) == 3 else 0  # the largest count is on both lines
            self.assertEqual(len(document.getElementsByTagName("circle")), drawn + again)
            self.assertIn("prefers-color-scheme: dark", text)
            for circle in document.getElementsByTagName("circle"):
                self.assertTrue(0 <= float(circle.getAttribute("cx")) <= scale_page.WIDTH)

    def test_labels_do_not_lie_over_each_other(self):
        taken = []
        places = [scale_page.free_place(taken, 100, 50) for _ in range(5)]
        self.assertEqual(places[0], (100, 42))
        self.assertEqual(places[1], (100, 67))
        self.assertEqual(len(set(places)), 5)
        self.assertEqual(taken, places)

    def test_scale_of_an_axis(self):
        axis = page.LogScale([10, 1000], 0, 100)
        self.assertEqual([axis(10), axis(100), axis(1000)], [0, 50, 100])
        self.assertEqual(axis.powers(), [10, 100, 1000])
        self.assertEqual(page.LogScale([10], 0, 100).powers(), [10, 100])


if __name__ == "__main__":
    unittest.main()
