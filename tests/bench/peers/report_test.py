# SPDX-License-Identifier: Apache-2.0
"""The tables and the plot of bench/peers from results made here, and HTTP as its long polling reads it."""
import io
import os
import sys
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../bench/peers"))
import https_poll  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402


def turn(us):
    return {"us_per_message": us, "messages_per_second": 1e6 / us, "server_busy": 0.9, "generator_busy": 0.5,
            "bytes_from_clients": 130, "bytes_to_clients": 140}


def server(window1, window8, resident):
    return {"resident_bytes_per_connection": resident, "resident_bytes_per_connection_marginal": resident / 2, "window1": {"rounds": [turn(us) for us in window1]},
            "window8": {"rounds": [turn(us) for us in window8]}}


def results():
    """Two peers, three rounds: Godwit has a turn before each of them, and gets slower as the machine does."""
    return {
        "machine": {"cpu": "A & B <CPU>", "cores": 2, "kernel": "6.1", "date": "2026-01-02", "load": 0.1, "commit": "abc"},
        "versions": {"redis-server": "7"},
        "settings": {"rounds": 3, "seconds": 1.2, "batch": 32},
        "order": ["godwit", "ejabberd-tls", "redis"],
        "servers": {
            "godwit": server([10, 20, 10, 20, 20, 40], [2, 2, 2, 2, 2, 2], 512),
            "ejabberd-tls": server([100, 120, 200], [20, 20, 20], 92 * 1024),
            "redis": server([20, 30, 20], [1, 1, 1], 2048),
        },
    }


class Figures(unittest.TestCase):
    def test_ratios_are_to_the_turn_before(self):
        table = report.figures(results())
        self.assertEqual(table["ejabberd-tls"]["window1"]["ratio"], 10)  # 100/10, 120/10, 200/20
        self.assertEqual(table["ejabberd-tls"]["window1"]["high"], 12)
        self.assertEqual(table["redis"]["window1"]["ratio"], 1)  # 20/20, 30/20, 20/40
        self.assertEqual(table["redis"]["window1"]["low"], 0.5)
        self.assertEqual(table["redis"]["window8"]["ratio"], 0.5)
        self.assertEqual(table["godwit"]["window1"]["us"], 20)
        self.assertEqual(table["ejabberd-tls"]["kib"], 92)

    def test_numbers_have_three_figures(self):
        for value, text in ((0, "0"), (0.0123, "0.012"), (0.5, "0.500"), (1.234, "1.23"), (9.99, "9.99"), (12.34, "12.3"),
                            (100, "100"), (1234.5, "1234")):
            self.assertEqual(report.number(value), text)


class Texts(unittest.TestCase):
    def test_table_has_a_row_a_server_and_what_it_promises(self):
        lines = report.cost_table(results(), servers.VARIANTS).splitlines()
        self.assertIn("| ejabberd, TLS | 120 | 10.0 (10.0–12.0) | 20.0 | 10.0 | 92.0 | 46.0 |", lines)
        self.assertIn("| Godwit | 20.0 | 1 | 2.00 | 1 | 0.500 | 0.250 |", lines)
        self.assertTrue(any(line.startswith("| Redis pub/sub | no | ") for line in lines))
        widths = {line.count("|") for line in lines if line.startswith("|")}
        self.assertEqual(widths, {7, 8})

    def test_table_says_how_the_load_waits(self):
        one = results()
        self.assertIn("waits for 32 events, 50 µs at most.", report.cost_table(one, servers.VARIANTS))
        one["settings"]["batch"] = 1
        self.assertIn("waits for what comes first.", report.cost_table(one, servers.VARIANTS))

    def test_plot_is_well_formed_and_for_light_and_dark(self):
        text = report.plot(results(), servers.VARIANTS)
        document = xml.dom.minidom.parseString(text)
        bars = [rect for rect in document.getElementsByTagName("rect") if rect.getAttribute("x") == str(report.LEFT)]
        self.assertEqual(len(bars), 2 * 3 + 1)  # and one of the legend
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertIn("A &amp; B &lt;CPU&gt;", text)
        for bar in bars:
            end = float(bar.getAttribute("x")) + float(bar.getAttribute("width"))
            self.assertLessEqual(end, report.WIDTH)

    def test_wire_counts_headers_of_segments_and_of_syns(self):
        entry = {"bytes_out": 100, "bytes_in": 50, "segments_out": 2, "segments_in": 1}
        self.assertEqual(report.on_wire(entry), (150, 3, 150 + 3 * 52))
        self.assertEqual(report.on_wire(entry, syn=True)[2], 150 + 3 * 52 + 16)
        result = dict(results(), order=["godwit"], settings={"pings_an_hour": 12}, wire={
            "godwit": {"login": entry, "lone_message": entry, "busy_message": None, "keep_alive": entry}})
        self.assertIn("| Godwit | 150 / 322 (3.00) | 150 / 306 (3.00) | – | 1800 / 3672 (36) |",
                      report.wire_table(result, {"godwit": "Godwit"}).splitlines())


class Variants(unittest.TestCase):
    def test_each_says_what_it_promises(self):
        keys = {"title", "server", "protocol", "tls", "management", "encrypted", "sender", "recipient", "kept", "order"}
        for name, variant in servers.VARIANTS.items():
            self.assertEqual(set(variant), keys, name)
            self.assertTrue(variant["server"] == "godwit" or variant["server"] in servers.PACKAGES, name)
            self.assertEqual(variant["encrypted"] != "no", variant["tls"] or name == "godwit", name)


class Http(unittest.TestCase):
    def test_reads_what_it_writes(self):
        text = https_poll.request("POST", "/messages", "t", b"{}") + https_poll.request("GET", "/messages?user=a&wait=1", "t")
        stream = io.BytesIO(text)
        self.assertEqual(https_poll.read_message(stream), ("POST /messages HTTP/1.1", b"{}"))
        self.assertEqual(https_poll.read_message(stream), ("GET /messages?user=a&wait=1 HTTP/1.1", b""))
        with self.assertRaises(https_poll.Ended):
            https_poll.read_message(stream)

    def test_refuses_what_is_no_http(self):
        for text in (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcd", b"\r\n"):
            with self.assertRaises(https_poll.Ended):
                https_poll.read_message(io.BytesIO(text))


if __name__ == "__main__":
    unittest.main()
