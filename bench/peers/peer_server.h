// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/generator/gateway_client.h"
#include "bench/peers/ledger.h"
#include "bench/peers/process_tree.h"
#include "bench/peers/tls_client.h"

// A server that runs already, and the clients that speak its protocol. Not thread safe.

namespace godwit::bench {

enum class PeerProtocol : std::uint8_t { godwit, xmpp, mqtt0, mqtt1, nats, resp };

struct PeerDescription {
  std::string name;
  PeerProtocol protocol = PeerProtocol::godwit;
  std::uint16_t port = 0;
  pid_t pid = 0;
  bool tls = false;
  bool management = false;  // XEP-0198
};
// NAME,PROTOCOL,PORT,PID[,tls][,sm]
Result<PeerDescription> read_description(std::string_view text);

class PeerServer {
 public:
  struct Options {
    PeerDescription description;
    std::size_t accounts = 0;
    std::size_t payload_size = 100;
    std::string password = "secret";
    // Of Godwit's identities: the same seed, the same accounts.
    std::uint64_t seed = 1;
  };
  static Result<std::unique_ptr<PeerServer>> create(const Options& options);

  const PeerDescription& description() const { return options_.description; }
  const ProcessTree& processes() const { return processes_; }
  // One client for each account; the server outlives them. Godwit's register first, which changes
  // nothing where they have; `again`: they only log in, which they have done before.
  ClientFactory clients(bool again = false);

 private:
  explicit PeerServer(const Options& options);
  std::unique_ptr<TrafficClient> make_client(std::uint32_t slot);
  std::unique_ptr<TrafficClient> make_plain(const Ledger::Options& ledger);

  const Options options_;
  ProcessTree processes_;
  SystemRandom random_;
  std::vector<LoadAccount> godwit_accounts_;
  std::vector<PeerAccount> accounts_;
  std::unique_ptr<TlsContext> tls_;
};

}  // namespace godwit::bench
