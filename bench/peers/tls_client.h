// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "bench/generator/traffic_client.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

// TLS 1.3 around another client, through OpenSSL's memory BIOs. It takes the server's certificate
// as it comes, which saves the client work and the server none. Not thread safe.

namespace godwit::bench {

// What all of them share.
class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> create();
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  SSL_CTX* get() const { return context_; }

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}
  SSL_CTX* context_;
};

class TlsClient final : public TrafficClient {
 public:
  // `context` outlives it.
  TlsClient(const TlsContext& context, std::unique_ptr<TrafficClient> inner);
  ~TlsClient() override;
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  Result<unsigned> on_bytes(MutableBytes bytes) override;
  void write(unsigned messages) override;
  bool ready() const override { return inner_->ready(); }
  bool ack_due() const override { return inner_->ack_due(); }
  bool settled() const override { return inner_->settled(); }
  std::uint64_t frames_sent() const override { return inner_->frames_sent(); }
  void ping() override;
  unsigned pongs() const override { return inner_->pongs(); }
  std::vector<std::uint8_t>& output() override { return output_; }

 private:
  void flush();
  Result<unsigned> read_plain();
  void take_records();

  std::unique_ptr<TrafficClient> inner_;
  SSL* tls_;
  std::vector<std::uint8_t> output_;
};

}  // namespace godwit::bench
