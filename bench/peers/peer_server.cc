// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/peer_server.h"

#include <charconv>
#include <ranges>

#include "bench/peers/mqtt_client.h"
#include "bench/peers/nats_client.h"
#include "bench/peers/resp_client.h"
#include "bench/peers/xmpp_client.h"

namespace godwit::bench {

namespace {

constexpr std::string_view domain = "localhost";

std::optional<PeerProtocol> protocol_named(std::string_view name) {
  constexpr std::pair<std::string_view, PeerProtocol> known[] = {
      {"godwit", PeerProtocol::godwit}, {"xmpp", PeerProtocol::xmpp},
      {"mqtt0", PeerProtocol::mqtt0},   {"mqtt1", PeerProtocol::mqtt1},
      {"nats", PeerProtocol::nats},     {"resp", PeerProtocol::resp}};
  for (const auto& [text, protocol] : known) {
    if (text == name) return protocol;
  }
  return std::nullopt;
}

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && stop == text.data() + text.size() && number > 0;
}

}  // namespace

Result<PeerDescription> read_description(std::string_view text) {
  const auto bad = fail(ErrorCode::invalid,
                        "a server is NAME,PROTOCOL,PORT,PID[,tls][,sm], not " + std::string(text));
  std::vector<std::string_view> words;
  for (const auto word : std::views::split(text, ',')) words.emplace_back(word);
  if (words.size() < 4 || words[0].empty()) return bad;
  PeerDescription description{.name = std::string(words[0])};
  const auto protocol = protocol_named(words[1]);
  if (!protocol || !read_number(words[2], description.port) ||
      !read_number(words[3], description.pid)) {
    return bad;
  }
  description.protocol = *protocol;
  for (const std::string_view word : words | std::views::drop(4)) {
    if (word != "tls" && word != "sm") return bad;
    (word == "tls" ? description.tls : description.management) = true;
  }
  return description;
}

PeerServer::PeerServer(const Options& options)
    : options_(options), processes_(options.description.pid) {
  if (options_.description.protocol == PeerProtocol::godwit) {
    SeededRandom identities(options_.seed);
    godwit_accounts_ = make_accounts(options_.accounts, identities);
    return;
  }
  for (std::size_t i = 0; i < options_.accounts; ++i) {
    accounts_.push_back({.user = "u" + std::to_string(i)});
  }
}

Result<std::unique_ptr<PeerServer>> PeerServer::create(const Options& options) {
  if (options.payload_size < peer_payload_size_min ||
      options.payload_size > peer_payload_size_max) {
    return fail(ErrorCode::invalid, "payloads have 48 to 1024 bytes");
  }
  std::unique_ptr<PeerServer> server(new PeerServer(options));
  if (options.description.tls) {
    auto context = TlsContext::create();
    if (!context) return std::unexpected(context.error());
    server->tls_ = std::move(*context);
  }
  return server;
}

ClientFactory PeerServer::clients(bool again) {
  if (description().protocol != PeerProtocol::godwit) {
    return [this](std::uint32_t slot) { return make_client(slot); };
  }
  return gateway_clients(
      {.goal = again ? LoadClient::Goal::log_in : LoadClient::Goal::register_account,
       .accounts = godwit_accounts_,
       .payload_size = options_.payload_size},
      random_);
}

std::unique_ptr<TrafficClient> PeerServer::make_client(std::uint32_t slot) {
  auto plain = make_plain({.own = accounts_[slot],
                           .partner = accounts_[slot ^ 1].user,
                           .payload_size = options_.payload_size});
  if (!tls_) return plain;
  return std::make_unique<TlsClient>(*tls_, std::move(plain));
}

std::unique_ptr<TrafficClient> PeerServer::make_plain(const Ledger::Options& ledger) {
  switch (description().protocol) {
    case PeerProtocol::xmpp:
      return std::make_unique<XmppClient>(
          XmppClient::Options{.ledger = ledger,
                              .domain = std::string(domain),
                              .password = options_.password,
                              .stream_management = description().management});
    case PeerProtocol::mqtt0:
      return std::make_unique<MqttClient>(ledger, MqttClient::Quality::at_most_once);
    case PeerProtocol::mqtt1:
      return std::make_unique<MqttClient>(ledger, MqttClient::Quality::at_least_once);
    case PeerProtocol::nats:
      return std::make_unique<NatsClient>(ledger);
    case PeerProtocol::resp:
      return std::make_unique<RespClient>(ledger);
    case PeerProtocol::godwit:
      break;
  }
  broken_invariant("Godwit has clients of its own", __FILE__, __LINE__);
}

}  // namespace godwit::bench
