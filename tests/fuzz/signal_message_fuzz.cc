// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "crypto/signal/fingerprint.h"
#include "crypto/signal/message.h"
#include "crypto/signal/retry.h"
#include "crypto/signal/sender_key_message.h"

// Everything of Signal's formats that comes from outside; the first byte says which. Bytes are
// refused with a reason, or read, and what is read is written so that it reads the same.

namespace {

using namespace godwit;
using namespace godwit::crypto::signal;

template <typename T>
bool refused(const Result<T>& result) {
  if (result) return false;
  const ErrorCode code = result.error().code;
  GODWIT_CHECK(code == ErrorCode::malformed || code == ErrorCode::refused);
  GODWIT_CHECK(!result.error().message.empty());
  return true;
}

void signal_message(Bytes input) {
  const auto message = SignalMessage::parse(input);
  if (refused(message)) return;
  const crypto::PublicKey key{9};
  const crypto::Secret<32> mac_key;
  const auto written = message->encode(mac_key, {key, key});
  const auto again = SignalMessage::parse(written);
  // Unknown fields make room for what is left out and written here.
  if (!again) GODWIT_CHECK(input.size() + 8 > signal_message_size_max);
  if (!again) return;
  GODWIT_CHECK(again->verify(mac_key, {key, key}));
  GODWIT_CHECK(again->ratchet_key == message->ratchet_key && again->counter == message->counter);
  GODWIT_CHECK(std::ranges::equal(again->ciphertext, message->ciphertext));
  GODWIT_CHECK(std::ranges::equal(again->pq_ratchet, message->pq_ratchet));
}

void prekey_message(Bytes input) {
  const auto message = PreKeySignalMessage::parse(input);
  if (refused(message)) return;
  const auto written = message->encode();
  const auto again = PreKeySignalMessage::parse(written);
  GODWIT_CHECK(again || input.size() + 16 > signal_message_size_max);
  GODWIT_CHECK(!again || again->encode() == written);
  signal_message(message->message);
}

void sender_key(Bytes input) {
  const auto message = SenderKeyMessage::parse(input);
  if (!refused(message)) GODWIT_CHECK(message->ciphertext.size() < input.size());
  const auto distribution = SenderKeyDistributionMessage::parse(input);
  if (refused(distribution)) return;
  const SecretBytes written = distribution->encode();
  const auto again = SenderKeyDistributionMessage::parse(written);
  GODWIT_CHECK(again && again->encode() == written);
}

void retry_request(Bytes input) {
  const auto request = RetryRequest::parse(input);
  if (refused(request)) return;
  const auto written = request->encode();
  const auto again = RetryRequest::parse(written);
  GODWIT_CHECK(again && again->encode() == written);
}

void scanned(Bytes input) {
  const crypto::PublicKey key{9};
  static const Fingerprint number = Fingerprint::make({as_bytes("a"), key}, {as_bytes("b"), key});
  const auto matches = number.matches(input);
  if (!refused(matches) && *matches) GODWIT_CHECK(input.size() >= number.scannable().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes input(data + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      signal_message(input);
      break;
    case 1:
      prekey_message(input);
      break;
    case 2:
      sender_key(input);
      break;
    case 3:
      retry_request(input);
      break;
    default:
      scanned(input);
  }
  return 0;
}
