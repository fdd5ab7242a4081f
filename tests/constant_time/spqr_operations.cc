// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "crypto/signal/spqr/spqr.h"
#include "tests/constant_time/operations.h"

namespace godwit::constant_time {
namespace {

using namespace crypto;
using namespace crypto::signal;

struct Session {
  Secret<32> key;
  HiddenRandom random;
  Spqr alice;
  Spqr bob;

  Session() : alice(start(Role::alice)), bob(start(Role::bob)) {}

  Spqr start(Role role) {
    hide(key.bytes());
    return Spqr::start(key, role);
  }

  // A message and the key of it, which are then looked at: it was hidden, and is the peer's.
  void pass(Spqr& from, Spqr& to, bool arrives) {
    auto sent = from.send(random);
    GODWIT_CHECK(sent);
    reveal(sent->message);
    if (!arrives) return;
    auto key_there = to.receive(sent->message);
    GODWIT_CHECK(key_there);
    reveal(sent->key.bytes());
    reveal(key_there->bytes());
    GODWIT_CHECK(key_there->equals(sent->key));
  }
};

// Two agreements, so that each side makes a key and encapsulates to one; some messages are lost, so
// that the erasure code has to work and keys are skipped.
void agree() {
  Session session;
  for (int i = 0; session.alice.epoch() < 3 || session.bob.epoch() < 3; ++i) {
    GODWIT_CHECK(i < 400);
    session.pass(session.alice, session.bob, i % 7 != 1);
    session.pass(session.bob, session.alice, i % 5 != 2);
  }
}

void store() {
  Session session;
  for (int i = 0; i < 6; ++i) {
    session.pass(session.alice, session.bob, i % 3 != 1);
    std::vector<std::uint8_t> form(session.bob.write_size());
    ByteWriter out(form);
    session.bob.write(out);
    auto read = Spqr::read(form);
    GODWIT_CHECK(read);
    session.bob = read->copy();
  }
}

constexpr std::array operations = {
    Operation{"spqr_agree", agree},
    Operation{"spqr_store", store},
};

}  // namespace

std::span<const Operation> spqr_operations() {
  return operations;
}

}  // namespace godwit::constant_time
