// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_device.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/client/plain_sealer.h"

namespace godwit::sim {

using Backend = dataplane::io::MemoryBackend;
using dataplane::io::CloseMode;
using dataplane::io::CloseReason;

// The device's end of the network, and what has come for its present connection.
struct SimDevice::Network {
  Network(const Options& options)
      : trace(options.trace),
        backend(options.network,
                {.shard = options.number, .send_queue_max = options.send_queue_max}) {}

  void on_open(ConnectionName opened, bool) { open = open || opened == name; }
  void on_bytes(ConnectionName from, std::uint64_t, MutableBytes lease) {
    trace.bytes(lease);
    if (from != name) return;
    input.insert(input.end(), lease.begin(), lease.end());
    constexpr std::size_t enough = 128 * 1024;
    if (input.size() > enough) backend.pause_receive(name);
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName from, std::uint64_t, CloseReason) {
    if (from == name) closed = true;
  }

  Trace& trace;
  Backend backend;
  ConnectionName name{};
  std::vector<std::uint8_t> input;
  bool open = false;
  bool closed = false;
};

class SimDevice::Wire final : public client::Transport {
 public:
  Wire(Network& network, SeededRandom& random) : network_(network), random_(random) {}
  // As a kernel: the queue leaves and then FIN, or all is reset.
  ~Wire() override {
    network_.backend.close(network_.name,
                           random_.below(2) == 0 ? CloseMode::graceful : CloseMode::abort);
    network_.name = {};
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  Result<bool> finish_connect() override {
    if (network_.closed) return fail(ErrorCode::unavailable, "nobody listens");
    return network_.open;
  }
  std::optional<std::size_t> receive(MutableBytes out) override {
    std::vector<std::uint8_t>& input = network_.input;
    const std::size_t size = std::min(out.size(), input.size());
    if (size == 0) return network_.closed ? std::optional<std::size_t>(0) : std::nullopt;
    std::copy_n(input.begin(), size, out.begin());
    input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
    if (input.empty()) network_.backend.resume_receive(network_.name);
    return size;
  }
  std::size_t send(Bytes bytes) override {
    for (std::size_t size = bytes.size(); size > 0; size /= 2) {
      const Bytes chunk = bytes.first(size);
      if (network_.backend.send(network_.name, {&chunk, 1}) == 0) continue;
      network_.trace.bytes(chunk);
      return size;
    }
    return 0;
  }
  int descriptor() const override { return -1; }

 private:
  Network& network_;
  SeededRandom& random_;
};

SimDevice::SimDevice(const Options& options)
    : options_(options),
      index_(options.ledger.add_device()),
      random_(options.seed),
      network_(std::make_unique<Network>(options)) {
  options_.ledger.device(index_).user = options.user;
}

SimDevice::~SimDevice() = default;

void SimDevice::start() {
  const client::ClientEvents events{
      .accepted = [this](std::uint64_t id) { options_.ledger.accepted(index_, id); },
      .refused = [this](std::uint64_t id,
                        const std::string&) { options_.ledger.refused(index_, id); },
      .received = [this] { inbox_filled_ = true; },
  };
  inbox_filled_ = true;
  auto opened = client::Client::open(
      options_.home, random_, events,
      [this](const client::ServerAddress&,
             std::uint32_t) -> Result<std::unique_ptr<client::Transport>> {
        const auto name = network_->backend.connect({"127.0.0.1", 5210});
        if (!name) return std::unexpected(name.error());
        network_->name = *name;
        network_->input.clear();
        network_->open = network_->closed = false;
        return std::make_unique<Wire>(*network_, random_);
      },
      // The ledger looks for what was sent on the disk.
      client::test::pass_plain);
  if (!opened) return options_.trace.fail("a client does not open: " + opened.error().message);
  client_ = std::move(*opened);
  if (client_->is_registered()) return;
  client::Registration registration;
  registration.jid.user = options_.user;
  registration.jid.domain = options_.domain;
  registration.server = "127.0.0.1:5210";
  registration.invite = options_.invite;
  const auto asked = client_->register_device(registration);
  if (!asked) options_.trace.fail("a client does not register: " + asked.error().message);
}

void SimDevice::kill() {
  client_.reset();
}

void SimDevice::close() {
  client_->close();
}

std::size_t SimDevice::step(Now now) {
  const std::size_t events = network_->backend.poll(now, 64, now.instant, *network_);
  if (!client_) return events;
  const auto advanced = client_->advance(now);
  if (!advanced && client_->trouble().ends_with("disconnected by an operator")) {
    options_.trace.note(describe() + " starts again");  // somebody does, after a word with them
    client_.reset();
    start();
    return events;
  }
  if (!advanced) {
    options_.trace.fail(describe() + " gives up: " + advanced.error().message);
    return events;
  }
  Ledger::Device& known = options_.ledger.device(index_);
  if (client_->is_registered() && known.device == 0) {
    known.device = client_->identity()->jid.device;
    known.jid = protocol::to_text(client_->identity()->jid);
  }
  if (has_session()) known.established = true;
  show_inbox();
  return events;
}

void SimDevice::show_inbox() {
  if (!std::exchange(inbox_filled_, false)) return;
  const auto inbox = client_->state().read_inbox(1000);
  if (!inbox) return options_.trace.fail("an inbox cannot be read: " + inbox.error().message);
  for (const auto& [row, message] : *inbox) {
    options_.ledger.shown(index_, message.from, message.id, message.payload);
    if (const auto erased = client_->state().erase_inbox(row); !erased) {
      options_.trace.fail("an inbox cannot be erased: " + erased.error().message);
    }
  }
}

void SimDevice::send(const std::string& to_user, std::uint16_t to_device,
                     const std::vector<std::size_t>& sizes) {
  std::vector<std::string> payloads;
  for (const std::size_t size : sizes) {
    payloads.push_back(options_.ledger.make_payload(index_, size));
  }
  const protocol::Jid to(protocol::JidView{to_user, options_.domain, to_device});
  const auto first = client_->send(to, payloads);
  if (!first) return options_.trace.fail("an outbox cannot be written: " + first.error().message);
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    options_.ledger.sent(index_, *first + i, to_user, to_device, payloads[i]);
  }
}

std::pair<protocol::Jid, crypto::KeyPair> SimDevice::give_away_identity() {
  auto identity = client_->state().load_identity();
  GODWIT_CHECK(identity && *identity);
  client_.reset();
  Ledger::Device& known = options_.ledger.device(index_);
  known = {};  // nobody the ledger knows
  return {(*identity)->jid, crypto::KeyPair::from_private((*identity)->private_key.bytes())};
}

std::string SimDevice::describe() const {
  const std::string& jid = options_.ledger.device(index_).jid;
  const std::string name = jid.empty() ? options_.user + "/?" : jid;
  if (!client_) return name + " (not running)";
  const std::string trouble = client_->trouble().empty() ? "in session" : client_->trouble();
  return name + " (" + trouble + ", " + (client_->outbox_empty() ? "nothing" : "something") +
         " to send)";
}

std::uint64_t SimDevice::link() {
  return network_->backend.link(network_->name);
}

}  // namespace godwit::sim
