// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>

namespace godwit::dataplane::io::dpdk {

namespace {

// What DPDK writes while it starts: of use only when it fails.
class LogCapture {
 public:
  LogCapture() : stream_(::open_memstream(&text_, &size_)) {
    if (stream_ != nullptr) rte_openlog_stream(stream_);
  }
  ~LogCapture() {
    rte_openlog_stream(nullptr);
    if (stream_ != nullptr) std::fclose(stream_);
    std::free(text_);
  }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // Its lines joined, for it says the cause first and its consequences after.
  std::string text() {
    if (stream_ == nullptr) return {};
    std::fflush(stream_);
    std::string lines(text_, size_);
    while (lines.ends_with('\n')) lines.pop_back();
    for (std::size_t at = 0; (at = lines.find('\n', at)) != std::string::npos; at += 2) {
      lines.replace(at, 1, "; ");
    }
    return lines;
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  FILE* stream_;
};

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

Result<void> check_devices(const std::vector<std::string>& devices) {
  if (devices.empty()) {
    return fail(ErrorCode::invalid,
                "no network device: name one, as '--vdev net_tap0,iface=gw0' or a PCI address");
  }
  for (const std::string& device : devices) {
    if (device.find_first_of(" \t\n") != std::string::npos) {
      return fail(ErrorCode::invalid, "'" + device + "' is no device: it has a blank in it");
    }
    if (!is_pci_address(device)) continue;
    const std::string obstacle = pci_obstacle(device, "/sys");
    if (!obstacle.empty()) return fail(ErrorCode::io, obstacle);
  }
  return {};
}

std::vector<std::string> arguments_of(const EalOptions& options, bool hugepages) {
  // One DPDK core that may run anywhere: DPDK would pin its caller to it otherwise.
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::string> arguments{"godwitd",
                                     "--lcores=0@(0-" + std::to_string(cores - 1) + ")",
                                     "--log-level=4",
                                     "--file-prefix=godwit-" + std::to_string(::getpid()),
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
    return fail(ErrorCode::io, "DPDK does not start with " + joined(options.devices) + ": " +
                                   (said.empty() ? reason : said + " (" + reason + ")"));
  }
  // A tap complains of having no second process to tell.
  rte_log_set_level_pattern("pmd.net.tap", RTE_LOG_CRIT);
  const std::string size = std::to_string(options.memory_mb) + " MB ";
  if (hugepages) return Eal(size + "of hugepages");
  return Eal(size + "without hugepages, which costs speed (" +
             (options.hugepages ? "fewer are free: see vm.nr_hugepages)" : "as configured)"));
}

Eal::Eal(Eal&& other) noexcept
    : description_(std::move(other.description_)), started_(std::exchange(other.started_, false)) {}

Eal::~Eal() {
  if (started_) rte_eal_cleanup();
}

}  // namespace godwit::dataplane::io::dpdk
