// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <utility>

namespace godwit::bench {

namespace {

constexpr std::size_t record_size_max = 16 * 1024;

Error last_error(std::string what) {
  std::array<char, 160> reason{};
  ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
  ERR_clear_error();
  return {ErrorCode::malformed, std::move(what) + ": " + reason.data()};
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::create() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) return std::unexpected(last_error("no TLS"));
  std::unique_ptr<TlsContext> owner(new TlsContext(context));
  if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1) {
    return std::unexpected(last_error("no TLS 1.3"));
  }
  // Thousands of connections are mostly idle.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return owner;
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

TlsClient::TlsClient(const TlsContext& context, std::unique_ptr<TrafficClient> inner)
    : inner_(std::move(inner)), tls_(SSL_new(context.get())) {
  GODWIT_CHECK(tls_ != nullptr);
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  GODWIT_CHECK(in != nullptr && out != nullptr);
  SSL_set_bio(tls_, in, out);
  SSL_set_connect_state(tls_);
  SSL_do_handshake(tls_);  // wants to read now
  take_records();
}

TlsClient::~TlsClient() {
  SSL_free(tls_);
}

Result<unsigned> TlsClient::on_bytes(MutableBytes bytes) {
  const int written = BIO_write(SSL_get_rbio(tls_), bytes.data(), static_cast<int>(bytes.size()));
  GODWIT_CHECK(std::cmp_equal(written, bytes.size()));
  if (SSL_is_init_finished(tls_) == 0) {
    const int done = SSL_do_handshake(tls_);
    if (done != 1 && SSL_get_error(tls_, done) != SSL_ERROR_WANT_READ) {
      return std::unexpected(last_error("the TLS handshake failed"));
    }
  }
  const auto messages = read_plain();
  if (messages) flush();
  return messages;
}

Result<unsigned> TlsClient::read_plain() {
  std::array<std::uint8_t, record_size_max> plain;
  unsigned messages = 0;
  for (;;) {
    const int size = SSL_read(tls_, plain.data(), static_cast<int>(plain.size()));
    if (size <= 0) {
      const int error = SSL_get_error(tls_, size);
      if (error == SSL_ERROR_WANT_READ) return messages;
      if (error == SSL_ERROR_ZERO_RETURN) return fail(ErrorCode::refused, "the server ends TLS");
      return std::unexpected(last_error("TLS failed"));
    }
    const auto got = inner_->on_bytes(MutableBytes(plain).first(static_cast<std::size_t>(size)));
    if (!got) return got;
    messages += *got;
  }
}

void TlsClient::write(unsigned messages) {
  inner_->write(messages);
  flush();
}

void TlsClient::ping() {
  inner_->ping();
  flush();
}

void TlsClient::flush() {
  if (SSL_is_init_finished(tls_) != 0 && !inner_->output().empty()) {
    const auto plain = std::exchange(inner_->output(), {});
    const int written = SSL_write(tls_, plain.data(), static_cast<int>(plain.size()));
    GODWIT_CHECK(std::cmp_equal(written, plain.size()));  // a memory BIO takes all
  }
  take_records();
}

void TlsClient::take_records() {
  BIO* out = SSL_get_wbio(tls_);
  const std::size_t waiting = BIO_ctrl_pending(out);
  if (waiting == 0) return;
  const std::size_t start = output_.size();
  output_.resize(start + waiting);
  const int taken = BIO_read(out, output_.data() + start, static_cast<int>(waiting));
  GODWIT_CHECK(std::cmp_equal(taken, waiting));
}

}  // namespace godwit::bench
