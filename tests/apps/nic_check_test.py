# SPDX-License-Identifier: Apache-2.0
"""scripts/nic-check on made-up machines: a folder each that stands for /sys, /proc and /dev."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.environ["GODWIT_NIC_CHECK"]
loader = importlib.machinery.SourceFileLoader("nic_check", SCRIPT)
nic_check = importlib.util.module_from_spec(importlib.util.spec_from_loader("nic_check", loader))
loader.exec_module(nic_check)


class Machine(unittest.TestCase):
    """Begins as a server with all but a card: hugepages, IOMMU, vfio-pci, tun, isolated cores, no memlock limit."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="godwit-nic-check-")
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.write("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")
        self.write("proc/self/limits", "Max locked memory         unlimited            unlimited            bytes\n")
        self.write("proc/cmdline", "quiet isolcpus=2-3 nohz_full=2-3\n")
        self.write("proc/cpuinfo", "vendor_id\t: GenuineIntel\n")
        self.write("sys/devices/system/cpu/online", "0-3\n")
        self.write("sys/devices/system/cpu/isolated", "2-3\n")
        self.hugepages(64)
        self.folder("sys/kernel/iommu_groups/7")
        self.folder("sys/bus/pci/drivers/vfio-pci")
        self.write("dev/net/tun", "")

    def folder(self, path):
        os.makedirs(os.path.join(self.root, path), exist_ok=True)

    def write(self, path, text):
        self.folder(os.path.dirname(path))
        with open(os.path.join(self.root, path), "w", encoding="utf-8") as file:
            file.write(text)

    def remove(self, path):
        whole = os.path.join(self.root, path)
        (os.rmdir if os.path.isdir(whole) else os.remove)(whole)

    def hugepages(self, free):
        self.write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", f"{free}\n")

    def card(self, address, driver="", interface="", state="up", group="7", kind="0x020000"):
        folder = f"sys/bus/pci/devices/{address}"
        for name, text in (("class", kind), ("vendor", "0x8086"), ("device", "0x1572"), ("numa_node", "0")):
            self.write(f"{folder}/{name}", text + "\n")
        if driver:
            self.folder(f"sys/bus/pci/drivers/{driver}")
            os.symlink(f"../../drivers/{driver}", os.path.join(self.root, folder, "driver"))
        if interface:
            self.folder(f"{folder}/net/{interface}")
            self.write(f"sys/class/net/{interface}/operstate", state + "\n")
        if group:
            self.folder(f"sys/kernel/iommu_groups/{group}/devices/{address}")
            os.symlink(f"../../../../kernel/iommu_groups/{group}", os.path.join(self.root, folder, "iommu_group"))

    def words(self):
        return [f"--{name}={self.root}/{folder}" for name, folder in (("sysfs", "sys"), ("proc", "proc"), ("dev", "dev"))]

    def check(self, *words):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                code = nic_check.main([*self.words(), *words])
            except SystemExit as ended:
                code = ended.code
        return code, output.getvalue()

    def assert_missing(self, output, *parts):
        lines = [line for line in output.splitlines() if line.startswith("MISSING")]
        for part in parts:
            self.assertTrue(any(part in line for line in lines), f"'{part}' is not missing:\n{output}")
        for line in lines:
            self.assertIn("; mend: ", line)
        self.assertIn(f"not ready: {len(lines)} missing", output)

    def test_a_bound_card_is_ready(self):
        self.card("0000:03:00.0", "vfio-pci")
        code, output = self.check()
        self.assertEqual(code, 0, output)
        self.assertNotIn("MISSING", output)
        self.assertNotIn("note", output)
        self.assertIn("godwitd --pci 0000:03:00.0", output)
        self.assertTrue(output.endswith("ready for kernel bypass\n"))

    def test_the_program_ends_with_what_it_found(self):
        self.card("0000:03:00.0", "vfio-pci")
        for address, code in (("03:00.0", 0), ("04:00.0", 1), ("card", 2)):
            done = subprocess.run([sys.executable, SCRIPT, *self.words(), address], capture_output=True, text=True,
                                  timeout=30, check=False)
            self.assertEqual(done.returncode, code, done)

    def test_a_card_of_the_kernel_is_to_be_bound_and_its_interface_named(self):
        self.card("0000:03:00.0", "i40e", "ens1f0")
        code, output = self.check()
        self.assertEqual(code, 1)
        self.assert_missing(output, "ip link set ens1f0 down && dpdk-devbind.py --bind=vfio-pci 0000:03:00.0")
        self.assertIn("net_i40e, several queues with RSS, RX interrupts", output)

    def test_an_interface_that_is_down_needs_no_taking_down(self):
        self.card("0000:03:00.0", "e1000e", "ens1", state="down")
        code, output = self.check()
        self.assertEqual(code, 1)
        self.assertNotIn("ip link set", output)
        self.assertIn("one queue, so that software steers", output)

    def test_a_bifurcated_card_needs_no_vfio(self):
        self.remove("sys/bus/pci/drivers/vfio-pci")
        self.card("0000:04:00.0", "mlx5_core", "ens2", group="")
        code, output = self.check()
        self.assertEqual(code, 0, output)
        self.assertIn("nothing is to be bound", output)
        self.assertNotIn("IOMMU at work", output)

    def test_one_card_that_is_ready_is_enough_unless_another_is_named(self):
        self.card("0000:03:00.0", "igb", "ens1")
        self.card("0000:03:00.1", "vfio-pci", group="8")
        code, output = self.check()
        self.assertEqual(code, 0, output)
        for address in ("0000:03:00.0", "03:00.0"):
            code, output = self.check(address)
            self.assertEqual(code, 1)
            self.assertNotIn("0000:03:00.1", output)
        self.assertEqual(self.check("03:00.1")[0], 0)

    def test_no_iommu_is_missing_unless_vfio_may_go_without(self):
        self.card("0000:03:00.0", "vfio-pci", group="")
        self.remove("sys/kernel/iommu_groups/7")
        code, output = self.check()
        self.assertEqual(code, 1)
        self.assert_missing(output, "intel_iommu=on")
        self.write("proc/cpuinfo", "vendor_id\t: AuthenticAMD\n")
        self.assert_missing(self.check()[1], "amd_iommu=on")
        self.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n")
        code, output = self.check()
        self.assertEqual(code, 0, output)
        self.assertIn("unsafe", output)

    def test_vfio_is_to_be_loaded(self):
        self.remove("sys/bus/pci/drivers/vfio-pci")
        self.card("0000:03:00.0", "ixgbe", "ens1")
        self.assert_missing(self.check()[1], "modprobe vfio-pci", "belongs to the kernel: ixgbe")

    def test_others_of_its_iommu_group_are_named_but_for_bridges(self):
        self.card("0000:03:00.0", "vfio-pci")
        self.card("0000:03:00.1", "", kind="0x010000")
        self.card("0000:00:01.0", "pcieport", kind="0x060400")
        code, output = self.check("03:00.0")
        self.assertEqual(code, 0, output)
        self.assertIn("shares IOMMU group 7 with 0000:03:00.1;", output)

    def test_hugepages_at_below_and_above_what_is_wanted(self):
        self.card("0000:03:00.0", "vfio-pci")
        for free, line in ((63, "note     hugepages: 126 MB free"), (64, "ok       hugepages: 128 MB free"),
                           (65, "ok       hugepages: 130 MB free")):
            self.hugepages(free)
            self.assertIn(line, self.check()[1])

    def test_what_is_slower_is_noted_and_no_hindrance(self):
        self.card("0000:03:00.0", "vfio-pci")
        self.hugepages(0)
        self.write("sys/devices/system/cpu/isolated", "\n")
        self.write("proc/self/limits", "Max locked memory         8388608              8388608              bytes\n")
        self.remove("dev/net/tun")
        code, output = self.check()
        self.assertEqual(code, 0, output)
        for command in ("sysctl -w vm.nr_hugepages=64", "isolcpus=", "LimitMEMLOCK=infinity", "modprobe tun"):
            self.assertIn(command, output)

    def test_an_old_kernel_is_missing_a_newer(self):
        self.card("0000:03:00.0", "vfio-pci")
        for release, code in (("5.18.99", 1), ("5.19.0", 0), ("6.0.1", 0), ("", 1)):
            self.write("proc/sys/kernel/osrelease", release)
            self.assertEqual(self.check()[0], code, release)

    def test_a_machine_without_a_card_is_pointed_to_virtual_ones(self):
        self.card("0000:00:1f.2", "ahci", kind="0x010601")
        self.assert_missing(self.check()[1], "no network card on the PCI bus")

    def test_a_card_that_is_not_there_or_no_address(self):
        self.card("0000:03:00.0", "vfio-pci")
        self.assert_missing(self.check("05:00.0")[1], "0000:05:00.0 is no network card")
        for words in ("3:00.0", "eth0", "0000:03:00.8"):
            self.assertEqual(self.check(words)[0], 2, words)


if __name__ == "__main__":
    unittest.main()
