// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "crypto/signal/prekeys.h"
#include "crypto/signal/sender_key.h"
#include "crypto/signal/session_ratchet.h"
#include "crypto/signal/session_record.h"

// What a client has stored and the disk may have damaged; the first byte says which. Bytes are
// refused as corrupt, or read and written back the same; and a state that reads can be used.

namespace {

using namespace godwit;
using namespace godwit::crypto::signal;

template <typename Record>
std::optional<Record> same_again(Bytes input) {
  auto record = Record::read(input);
  if (!record) {
    GODWIT_CHECK(record.error().code == ErrorCode::corrupt);
    return std::nullopt;
  }
  GODWIT_CHECK(std::ranges::equal(record->write(), input));
  return std::move(*record);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes input(data + 1, size - 1);
  SeededRandom random(1);
  switch (data[0] % 5) {
    case 0:
      if (auto record = same_again<SessionRecord>(input)) {
        if (SessionState* const state = SessionEdit(*record).current()) {
          const auto message = ratchet_encrypt(*state, as_bytes("text"), random);
          GODWIT_CHECK(message || message.error().code == ErrorCode::limit);
        }
        record->archive_current();
        GODWIT_CHECK(record->current() == nullptr);
      }
      break;
    case 1:
      if (auto record = same_again<SenderKeyRecord>(input); record && record->can_encrypt()) {
        const auto message = record->encrypt(as_bytes("text"), random);
        GODWIT_CHECK(message || message.error().code == ErrorCode::limit);
      }
      break;
    case 2:
      same_again<PreKeyRecord>(input);
      break;
    case 3:
      same_again<SignedPreKeyRecord>(input);
      break;
    default:
      same_again<KyberPreKeyRecord>(input);
  }
  return 0;
}
