// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/eal.h"

#include <net/if.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include "dataplane/io/dpdk/log_capture.h"

namespace godwit::dataplane::io::dpdk {

namespace {

std::uint64_t read_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  file >> number;
  return number;
}

std::string pci_with_domain(const std::string& address) {
  return address.size() == 7 ? "0000:" + address : address;
}

// Drivers that share the device with the kernel, so that nothing is bound.
bool shares_with_kernel(const std::string& driver) {
  return driver == "mlx5_core" || driver == "mlx4_core" || driver == "mana";
}

// What the process may do (capabilities(7)), as /proc tells: a bit each.
std::uint64_t capabilities() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word == "CapEff:" && status >> word) return std::strtoull(word.c_str(), nullptr, 16);
  }
  return 0;
}

// Virtual devices that are an end of an interface of the kernel.
struct KernelSide {
  std::string_view driver;
  bool makes_interface;  // else it has to be there
  unsigned capability;   // the bit of what opening it takes
  std::string_view capability_name;
};
constexpr std::array<KernelSide, 3> kernel_sides{{{"net_tap", true, 12, "CAP_NET_ADMIN"},
                                                  {"net_af_packet", false, 13, "CAP_NET_RAW"},
                                                  {"net_af_xdp", false, 12, "CAP_NET_ADMIN"}}};

// "gw0" of "net_tap0,mac=fixed,iface=gw0"; empty when there is none.
std::string interface_of(const std::string& device) {
  constexpr std::string_view key = ",iface=";
  const std::size_t at = device.find(key);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + key.size();
  return device.substr(begin, device.find(',', begin) - begin);
}

Result<void> check_devices(const std::vector<std::string>& devices) {
  if (devices.empty()) {
    return fail(ErrorCode::invalid,
                "no network device: name one, as '--vdev net_tap0,iface=gw0' or a PCI address");
  }
  for (const std::string& device : devices) {
    if (device.find_first_of(" \t\n") != std::string::npos) {
      return fail(ErrorCode::invalid, "'" + device + "' is no device: it has a blank in it");
    }
    const std::string obstacle = is_pci_address(device)
                                     ? pci_obstacle(device, "/sys")
                                     : virtual_device_obstacle(device, capabilities());
    if (!obstacle.empty()) return fail(ErrorCode::io, obstacle);
  }
  return {};
}

std::string file_prefix() {
  return "godwit-" + std::to_string(::getpid());
}

std::vector<std::string> arguments_of(const EalOptions& options, bool hugepages) {
  // One DPDK core that may run anywhere: DPDK would pin its caller to it otherwise.
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::string> arguments{"godwitd",
                                     "--lcores=0@(0-" + std::to_string(cores - 1) + ")",
                                     "--log-level=4",
                                     "--file-prefix=" + file_prefix(),
                                     "-m",
                                     std::to_string(options.memory_mb)};
  if (hugepages) {
    arguments.insert(arguments.end(), {"--in-memory", "--single-file-segments"});
  } else {
    arguments.insert(arguments.end(), {"--no-huge", "--no-shconf"});
  }
  bool any_pci = false;
  for (const std::string& device : options.devices) {
    any_pci = any_pci || is_pci_address(device);
    arguments.push_back((is_pci_address(device) ? "--allow=" : "--vdev=") + device);
  }
  if (!any_pci) arguments.push_back("--no-pci");
  return arguments;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

bool is_pci_address(const std::string& device) {
  // [dddd:]bb:dd.f
  const std::string form = device.size() == 12 ? "xxxx:xx:xx.x" : "xx:xx.x";
  if (device.size() != form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool hex = std::isxdigit(static_cast<unsigned char>(device[i])) != 0;
    if (form[i] == 'x' ? !hex : device[i] != form[i]) return false;
  }
  return true;
}

std::string pci_obstacle(const std::string& address, const std::string& sysfs) {
  namespace fs = std::filesystem;
  const std::string whole = pci_with_domain(address);
  const fs::path device = fs::path(sysfs) / "bus/pci/devices" / whole;
  std::error_code error;
  if (!fs::exists(device, error)) {
    return "no PCI device " + whole + ": 'dpdk-devbind.py --status-dev net' lists those there are";
  }
  const fs::path driver = fs::read_symlink(device / "driver", error);
  const std::string bind = "'dpdk-devbind.py --bind=vfio-pci " + whole + "'";
  if (error) return whole + " has no driver: bind it with " + bind;
  const std::string name = driver.filename();
  if (name == "vfio-pci" || name == "uio_pci_generic" || name == "igb_uio") return {};
  if (shares_with_kernel(name)) return {};
  return whole + " belongs to the kernel's " + name +
         ": bring its interface down and bind it with " + bind;
}

std::string virtual_device_obstacle(const std::string& device, std::uint64_t capabilities) {
  const std::string name = device.substr(0, device.find(','));
  const std::string driver = name.substr(0, name.find_last_not_of("0123456789") + 1);
  const auto side = std::ranges::find(kernel_sides, driver, &KernelSide::driver);
  if (side == kernel_sides.end()) return {};
  const std::string interface = interface_of(device);
  if (interface.empty() || interface.size() >= IF_NAMESIZE) {
    return "'" + device + "' names no interface: write '" + name +
           ",iface=NAME', of at most 15 characters";
  }
  if (side->makes_interface && ::access("/dev/net/tun", F_OK) != 0) {
    return name + " needs /dev/net/tun, which is not there: 'modprobe tun' makes it";
  }
  if (!side->makes_interface && ::if_nametoindex(interface.c_str()) == 0) {
    return device + ": no interface " + interface + " here: 'ip link' lists those there are";
  }
  if ((capabilities >> side->capability & 1) == 0) {
    return name + " takes " + std::string(side->capability_name) +
           ": run as root, or name it in AmbientCapabilities of the unit";
  }
  return {};
}

std::uint64_t free_hugepage_bytes(const std::string& sysfs) {
  namespace fs = std::filesystem;
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(sysfs) / "kernel/mm/hugepages", error)) {
    // hugepages-2048kB
    const std::string name = entry.path().filename();
    const std::size_t dash = name.find('-');
    if (dash == std::string::npos) continue;
    const std::uint64_t size_kb = std::strtoull(name.c_str() + dash + 1, nullptr, 10);
    bytes += size_kb * 1024 * read_number(entry.path() / "free_hugepages");
  }
  return bytes;
}

namespace {

// DPDK leaves its folder of this process, /var/run/dpdk/godwit-PID, behind.
void remove_runtime_folder() {
  const char* folder = rte_eal_get_runtime_dir();
  std::error_code ignored;
  if (std::filesystem::path(folder).filename() == file_prefix()) {
    std::filesystem::remove_all(folder, ignored);
  }
}

}  // namespace

void remove_stale_folders(const std::string& folder) {
  namespace fs = std::filesystem;
  constexpr std::string_view prefix = "godwit-";
  std::error_code ignored;
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(prefix)) continue;
    pid_t process = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, process);
    if (error != std::errc{} || stop != end || process <= 0) continue;
    // EPERM: it is there, and another's.
    if (::kill(process, 0) != 0 && errno == ESRCH) stale.push_back(entry.path());
  }
  for (const fs::path& path : stale) fs::remove_all(path, ignored);
}

Result<Eal> Eal::start(const EalOptions& options) {
  if (auto checked = check_devices(options.devices); !checked) {
    return std::unexpected(checked.error());
  }
  const std::uint64_t wanted = std::uint64_t{options.memory_mb} << 20;
  const bool hugepages = options.hugepages && free_hugepage_bytes("/sys") >= wanted;
  const std::vector<std::string> arguments = arguments_of(options, hugepages);
  std::vector<char*> pointers;
  // DPDK permutes the pointers and leaves the text alone.
  for (const std::string& argument : arguments)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  LogCapture log;
  if (rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) < 0) {
    const std::string reason = rte_strerror(rte_errno);
    const std::string said = log.text();
    remove_runtime_folder();
    return fail(ErrorCode::io, "DPDK does not start with " + joined(options.devices) + ": " +
                                   (said.empty() ? reason : said + " (" + reason + ")") +
                                   "; docs/kernel-bypass.md has what can be wrong");
  }
  remove_stale_folders(std::filesystem::path(rte_eal_get_runtime_dir()).parent_path());
  // A tap complains of having no second process to tell.
  rte_log_set_level_pattern("pmd.net.tap", RTE_LOG_CRIT);
  const std::string size = std::to_string(options.memory_mb) + " MB ";
  if (hugepages) return Eal(size + "of hugepages", log.text());
  return Eal(size + "without hugepages, which costs speed (" +
                 (options.hugepages ? "fewer are free: see vm.nr_hugepages)" : "as configured)"),
             log.text());
}

Eal::Eal(Eal&& other) noexcept
    : description_(std::move(other.description_)),
      complaints_(std::move(other.complaints_)),
      started_(std::exchange(other.started_, false)) {}

Eal::~Eal() {
  if (!started_) return;
  rte_eal_cleanup();
  remove_runtime_folder();
}

}  // namespace godwit::dataplane::io::dpdk
