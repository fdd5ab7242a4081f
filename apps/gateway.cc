// SPDX-License-Identifier: Apache-2.0
#include "apps/gateway.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/metrics_page.h"
#include "dataplane/io/uring/uring_backend.h"

namespace godwit::apps {

using dataplane::io::UringBackend;
using queues::Command;
using queues::Outbox;
using queues::SpscRing;
using queues::StoreReply;
using queues::StoreRequest;

namespace {

// A home lets every mailbox post what it must; what does not fit the ring waits, up to this.
constexpr std::size_t mesh_ring_capacity = 4096;
constexpr std::size_t store_ring_capacity = 8192;
constexpr std::size_t store_requests_waiting_max = std::size_t{1} << 18;
// Every request may be answered by a window of messages.
constexpr std::size_t store_replies_waiting_max = std::size_t{1} << 21;
constexpr std::size_t control_pool_bytes = std::size_t{64} << 20;

dataplane::Allowance allowance(std::uint32_t count, Duration in, std::uint32_t burst) {
  return {.every = count == 0 ? Duration{0} : in / count, .burst = burst};
}

dataplane::AddressRules address_rules(const control::Config::Limits& limits) {
  using std::chrono::hours;
  using std::chrono::minutes;
  using std::chrono::seconds;
  dataplane::AddressRules rules{
      .open_max = limits.connections_per_address,
      .starting_max = limits.unauthenticated_per_address,
      .connections = allowance(limits.connections_per_address_per_second, seconds(1),
                               limits.connections_per_address_burst),
      .failures = allowance(limits.handshake_failures_per_address_per_minute, minutes(1),
                            limits.handshake_failures_per_address_per_minute),
      .registrations = allowance(limits.registrations_per_address_per_hour, hours(1),
                                 limits.registrations_per_address_per_hour),
      .logins = allowance(limits.logins_per_device_per_minute, minutes(1),
                          limits.logins_per_device_per_minute)};
  const auto exempt = parse_ip_prefixes(limits.exempt_addresses);
  GODWIT_CHECK(exempt && exempt->size() <= rules.exempt.size());  // check_config has seen to it
  std::ranges::copy(*exempt, rules.exempt.begin());
  rules.exempt_count = static_cast<std::uint32_t>(exempt->size());
  return rules;
}

dataplane::Settings settings_of(const control::Config& config) {
  dataplane::Settings settings;
  settings.domain = config.server.domain;
  settings.ack_after = config.delivery.ack_after == control::AckAfter::memory
                           ? dataplane::AckAfter::memory
                           : dataplane::AckAfter::durable;
  settings.persist_after = std::chrono::milliseconds(config.delivery.persist_after_ms);
  settings.ack_delay = std::chrono::milliseconds(config.delivery.ack_delay_ms);
  settings.time_to_live = std::chrono::days(config.delivery.ttl_days);
  settings.handshake_timeout = std::chrono::milliseconds(config.limits.handshake_timeout_ms);
  settings.stanza_rate = {.rate_per_second = config.limits.messages_per_second,
                          .burst = config.limits.messages_burst};
  settings.unauthenticated_max = config.limits.unauthenticated_max;
  settings.addresses = address_rules(config.limits);
  settings.require_hybrid = config.limits.require_hybrid;
  // Those without a connection, beside the most there can be with one.
  settings.addresses_max = config.limits.connections_max + 32'768;
  settings.buffer_pool_bytes = config.limits.buffer_pool_bytes;
  settings.mailbox_messages_max = config.limits.mailbox_messages_max;
  settings.mailbox_bytes_max = config.limits.mailbox_bytes_max;
  settings.account_messages_max = config.limits.mailbox_messages_max * 4;
  return settings;
}

std::unexpected<Error> no_device() {
  return fail(
      ErrorCode::not_found,
      "the network is the kernel's (io.backend = \"uring\"): 'ip -s link' and tcpdump show it");
}

// 0 when the system does not say.
std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  if (!(file >> all >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

struct Gateway::StorageUnit {
  queues::StorageCounters counters;
  queues::StorageThread thread;
  std::vector<std::unique_ptr<SpscRing<StoreRequest>>> requests;  // one a home
  std::vector<std::unique_ptr<SpscRing<StoreReply>>> replies;
  std::vector<std::unique_ptr<Outbox<StoreReply>>> reply_boxes;
  std::unique_ptr<queues::StorageWorker> worker;
  std::mutex error_mutex;
  std::string last_error;
};

struct Gateway::ShardUnit {
  std::uint16_t index = 0;
  queues::ShardCounters counters;
  std::unique_ptr<ShardThread> thread;
  std::unique_ptr<queues::Parker> parker;
  std::unique_ptr<queues::BufferPool> pool;
  std::vector<std::unique_ptr<Outbox<StoreRequest>>> request_boxes;
  SystemRandom random;
};

Gateway::Gateway(const control::Config& config, Operations::ReadConfig read_again,
                 std::function<std::uint64_t()> log_lines_left_out)
    : config_(config),
      read_again_(std::move(read_again)),
      log_lines_left_out_(std::move(log_lines_left_out)) {}

Gateway::~Gateway() {
  stop();
}

Result<std::unique_ptr<Gateway>> Gateway::start(const control::Config& config,
                                                Operations::ReadConfig read_again,
                                                std::function<std::uint64_t()> log_lines_left_out) {
  std::unique_ptr<Gateway> gateway(
      new Gateway(config, std::move(read_again), std::move(log_lines_left_out)));
  if (auto opened = gateway->open(); !opened) return std::unexpected(opened.error());
  return gateway;
}

Result<void> Gateway::open() {
  settings_ = settings_of(config_);
  const auto cores = available_cores();
  shard_count_ = static_cast<std::uint16_t>(config_.server.shards != 0
                                                ? config_.server.shards
                                                : std::clamp<std::size_t>(cores.size(), 1, 16));
  if (auto made = control::make_directories(config_.server.data); !made) return made;
  // Without a store the gateway still carries messages between those who are there.
  if (auto made = control::make_directories(config_.server.data + "/store"); !made) {
    spdlog::error("storage: {}", made.error().message);
  }
  auto lock = control::DirectoryLock::take(config_.server.data);
  if (!lock) return std::unexpected(lock.error());
  lock_.emplace(std::move(*lock));
  auto keys = control::load_node_keys(
      {.directory = config_.server.data + "/keys", .domain = config_.server.domain}, random_,
      wall_now());
  if (!keys) return std::unexpected(keys.error());
  keys_ = std::move(*keys);
  for (const std::string& warning : keys_.warnings) spdlog::warn("{}", warning);

  auto loop = control::ControlLoop::create();
  if (!loop) return std::unexpected(loop.error());
  control_loop_ = std::move(*loop);
  if (config_.io.backend == control::IoBackend::dpdk) {
    auto network = DpdkNetwork::open(config_, shard_count_, random_);
    if (!network) return std::unexpected(network.error());
    dpdk_ = std::move(*network);
  }
  make_rings();
  if (auto opened = open_control(); !opened) return opened;
  if (auto opened = open_admin(); !opened) return opened;
  start_storage();
  control_loop_->start(*control_);
  return start_shards();
}

void Gateway::make_rings() {
  for (std::uint32_t i = 0; i < config_.storage.threads; ++i) {
    storage_.push_back(std::make_unique<StorageUnit>());
  }
  for (std::uint16_t i = 0; i < shard_count_; ++i) {
    auto unit = std::make_unique<ShardUnit>();
    unit->index = i;
    if (dpdk_) {
      unit->thread = make_thread(*unit, dpdk_->backend(i, unit->random));
      dpdk_->set_waker(i, [raw = unit->thread.get()] { raw->wake(); });
    } else {
      unit->thread =
          make_thread(*unit, std::make_unique<UringBackend>(UringBackend::Options{
                                 .shard = i, .connections_max = config_.limits.connections_max}));
    }
    unit->parker = std::make_unique<queues::Parker>([raw = unit->thread.get()] { raw->wake(); });
    unit->pool = std::make_unique<queues::BufferPool>(settings_.buffer_pool_bytes);
    parkers_.push_back(unit->parker.get());
    for (auto& storage : storage_) {
      storage->requests.push_back(std::make_unique<SpscRing<StoreRequest>>(store_ring_capacity));
      storage->replies.push_back(std::make_unique<SpscRing<StoreReply>>(store_ring_capacity));
      storage->reply_boxes.push_back(std::make_unique<Outbox<StoreReply>>(
          *storage->replies.back(), *unit->parker, store_replies_waiting_max));
      unit->request_boxes.push_back(std::make_unique<Outbox<StoreRequest>>(
          *storage->requests.back(), storage->thread.parker(), store_requests_waiting_max));
    }
    shards_.push_back(std::move(unit));
  }
  parkers_.push_back(&control_loop_->parker());
  mesh_ = std::make_unique<queues::Mesh>(shard_count_ + 1u, mesh_ring_capacity);
}

Result<void> Gateway::open_control() {
  auto accounts = control::AccountStore::open(
      {.path = config_.server.data + "/accounts.db",
       .devices_per_account_max = config_.limits.devices_per_account_max});
  if (!accounts) return std::unexpected(accounts.error());
  accounts_ = std::move(*accounts);
  auto key_directory = control::KeyDirectory::open({.path = config_.server.data + "/prekeys.db"});
  if (!key_directory) return std::unexpected(key_directory.error());
  key_directory_ = std::move(*key_directory);
  control_pool_ = std::make_unique<queues::BufferPool>(control_pool_bytes);
  std::vector<control::Control::ShardLink> links;
  for (std::uint16_t i = 0; i < shard_count_; ++i) {
    control_outboxes_.push_back(std::make_unique<Outbox<Command>>(
        mesh_->ring(shard_count_, i), *parkers_[i], queues::CommandPort::waiting_max));
    links.push_back({.from_shard = &mesh_->ring(i, shard_count_),
                     .to_shard = control_outboxes_.back().get(),
                     .counters = &shards_[i]->counters});
  }
  control_ = std::make_unique<control::Control>(control::Control::Options{
      .domain = config_.server.domain,
      .registration = config_.registration,
      .hash_user =
          [this](std::string_view user) {
            return crypto::keyed_hash(keys_.hash_key, as_bytes(user));
          },
      .home_shard =
          [this](std::uint64_t hash) { return queues::store_file_of(hash) % shard_count_; },
      .accounts = *accounts_,
      .keys = *key_directory_,
      .pool = *control_pool_,
      .shards = std::move(links)});
  return {};
}

Result<void> Gateway::open_admin() {
  control::AdminCommands::Options options{.version = GODWIT_VERSION,
                                          .node_key = to_hex(keys_.node_key.public_key),
                                          .operator_key = to_hex(keys_.operator_public_key),
                                          .certificate_ends = keys_.certificate.not_after,
                                          .started = read_clocks(),
                                          .ack_after = config_.delivery.ack_after,
                                          .random = random_};
  operations_ = std::make_unique<Operations>(Operations::Options{
      .config = config_,
      .read_again = read_again_,
      .loop = *control_loop_,
      .set_limits = [this](const control::Config::Limits& limits) { set_limits(limits); },
      .drain =
          [this](std::chrono::seconds spread) {
            stop_request_.spread_s.store(spread.count());
            stop_request_.draining.store(true);
            ::kill(::getpid(), SIGTERM);  // the program ends as it always does
          },
      .ports = [this]() -> Result<nlohmann::json> {
        if (!dpdk_) return no_device();
        return dpdk_->ports();
      },
      .capture = [this](const Operations::Options::CaptureWanted& wanted)
          -> Result<std::vector<std::string>> {
        if (!dpdk_) return no_device();
        return dpdk_->capture().start({.folder = wanted.folder, .time = wanted.time});
      }});
  options.more = operations_->commands(*control_);
  options.read_stored = [this](std::uint64_t account_id, std::uint32_t limit, auto done) {
    operations_->read_stored(account_id, limit, std::move(done));
  };
  control_->counters().set(
      control::ControlMetric::start_time_seconds,
      static_cast<std::uint64_t>(
          std::chrono::floor<std::chrono::seconds>(wall_now()).time_since_epoch().count()));
  control::MetricsSources sources{.control = &control_->counters(), .version = GODWIT_VERSION};
  for (auto& unit : shards_) sources.shards.push_back(&unit->counters);
  if (dpdk_) {
    sources.stacks = dpdk_->counters();
    sources.ports = dpdk_->port_counters();
  }
  for (auto& storage : storage_) {
    sources.storage.push_back(&storage->counters);
    options.storage.push_back(
        {.counters = &storage->counters, .last_error = [unit = storage.get()] {
           const std::lock_guard lock(unit->error_mutex);
           return unit->last_error;
         }});
  }
  admin_commands_ =
      std::make_unique<control::AdminCommands>(*control_, *accounts_, std::move(options));
  auto server = control::AdminServer::create(
      control_loop_->poller(), {.path = control::admin_socket_path(config_)},
      [this](const nlohmann::json& request, Now now, control::AdminAnswer answer) {
        admin_commands_->handle(request, now, std::move(answer));
      });
  if (!server) return std::unexpected(server.error());
  admin_server_ = std::move(*server);
  if (config_.server.metrics.empty()) return {};
  const auto address = control::parse_host_port(config_.server.metrics);
  if (!address) return std::unexpected(address.error());
  auto metrics = control::MetricsServer::create(
      control_loop_->poller(), {.listen = *address}, [this, sources, control = control_.get()] {
        control->counters().set(control::ControlMetric::resident_bytes, resident_bytes());
        control->counters().set(control::ControlMetric::log_lines_suppressed,
                                log_lines_left_out_());
        return control::metrics_page(sources);
      });
  if (!metrics) return std::unexpected(metrics.error());
  metrics_server_ = std::move(*metrics);
  return {};
}

void Gateway::set_limits(const control::Config::Limits& limits) {
  const dataplane::LiveSettings live{.addresses = address_rules(limits),
                                     .require_hybrid = limits.require_hybrid};
  for (auto& outbox : control_outboxes_) {
    queues::Buffer buffer =
        control_pool_->copy({reinterpret_cast<const std::uint8_t*>(&live), sizeof live});
    Command command{.kind = queues::CommandKind::settings, .buffer = buffer.release()};
    if (command.buffer != nullptr && outbox->try_post(command)) continue;
    command.take_buffer();
    spdlog::error("reload: a shard is too busy to take over the limits; reload again");
  }
}

std::string Gateway::metrics_address() const {
  if (!metrics_server_) return "off";
  const auto address = control::parse_host_port(config_.server.metrics);
  return address->host + ":" + std::to_string(metrics_server_->port());
}

void Gateway::start_storage() {
  for (unsigned index = 0; index < storage_.size(); ++index) {
    const auto& unit = storage_[index];
    std::vector<queues::StorageWorker::Link> links;
    std::vector<unsigned> files;
    for (unsigned file = index; file < queues::store_file_count; file += storage_.size()) {
      files.push_back(file);
    }
    for (std::uint16_t i = 0; i < shard_count_; ++i) {
      links.push_back({unit->requests[i].get(), unit->reply_boxes[i].get()});
    }
    const std::string folder = config_.server.data + "/store/";
    unit->worker = std::make_unique<queues::StorageWorker>(queues::StorageWorker::Options{
        .homes = std::move(links),
        .open = [folder](unsigned file) -> Result<std::unique_ptr<queues::MessageStore>> {
          constexpr char digits[] = "0123456789abcdef";
          auto store = queues::SqliteStore::open({.path = folder + digits[file % 16] + ".db"});
          if (!store) return std::unexpected(store.error());
          return std::unique_ptr<queues::MessageStore>(std::move(*store));
        },
        .files = std::move(files),
        .counters = unit->counters,
        .clock = monotonic_now,
        .on_error =
            [raw = unit.get()](unsigned, const Error& error) {
              const std::lock_guard lock(raw->error_mutex);
              if (raw->last_error != error.message) spdlog::error("storage: {}", error.message);
              raw->last_error = error.message;
            }});
    unit->thread.start(*unit->worker);
  }
}

template <typename Io>
std::unique_ptr<ShardThread> Gateway::make_thread(ShardUnit& unit, std::unique_ptr<Io> io) {
  const auto cores = available_cores();
  return std::make_unique<ShardThreadOf<Io>>(
      ShardThreadOptions{.name = "shard-" + std::to_string(unit.index),
                         .core = config_.server.pin ? cores[unit.index % cores.size()] : -1,
                         .never_sleeps = config_.server.idle == control::IdleMode::poll,
                         .counters = unit.counters,
                         .stop = stop_request_},
      std::move(io), [this, &unit](Io& own) {
        std::vector<SpscRing<StoreReply>*> replies;
        std::vector<Outbox<StoreRequest>*> requests;
        for (auto& storage : storage_) replies.push_back(storage->replies[unit.index].get());
        for (auto& box : unit.request_boxes) requests.push_back(box.get());
        return std::make_unique<dataplane::Shard<Io>>(typename dataplane::Shard<Io>::Options{
            .index = unit.index,
            .shards = shard_count_,
            .settings = settings_,
            .identity = identity_,
            .hash_key = keys_.hash_key,
            .io = own,
            .pool = *unit.pool,
            .mesh = *mesh_,
            .parkers = parkers_,
            .store_replies = std::move(replies),
            .store_requests = std::move(requests),
            .counters = unit.counters,
            .random = unit.random,
            .sequence_base = std::uint64_t{keys_.start_epoch} << 24,
            .start = monotonic_now()});
      });
}

Result<void> Gateway::start_shards() {
  const auto address = control::parse_host_port(config_.server.listen);
  if (!address) return std::unexpected(address.error());
  port_ = address->port;
  identity_.certificate = keys_.certificate_bytes;
  for (auto& unit : shards_) {
    const auto bound = unit->thread->start(address->host, port_, *unit->parker);
    if (!bound) return std::unexpected(bound.error());
    port_ = *bound;
  }
  io_description_ = shards_.front()->thread->io_description();
  return {};
}

bool Gateway::turning() {
  // An idle shard sleeps no longer than a second.
  std::vector<std::uint64_t> turns;
  for (auto& unit : shards_) turns.push_back(unit->counters.get(queues::ShardMetric::turns));
  bool all = control_answered_->exchange(false);
  for (std::size_t i = 0; i < turns_seen_.size(); ++i) all = all && turns[i] != turns_seen_[i];
  turns_seen_ = std::move(turns);
  control_loop_->post([answered = control_answered_] { answered->store(true); });
  return all;
}

void Gateway::stop() {
  if (stopped_) return;
  stopped_ = true;
  stop_request_.stopping.store(true);
  for (auto& unit : shards_) unit->thread->wake();
  for (auto& unit : shards_) unit->thread->join();
  for (auto& unit : storage_) unit->thread.stop();
  if (control_loop_) control_loop_->stop();
  // Every home before any pool: buffers go back to the pool they came from. The network last: until
  // every thread had ended, any of them might still have woken it.
  for (auto& unit : shards_) unit->thread->destroy_shard();
  for (auto& unit : shards_) unit->thread->destroy_io();
}

}  // namespace godwit::apps
