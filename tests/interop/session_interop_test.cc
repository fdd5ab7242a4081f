// SPDX-License-Identifier: Apache-2.0
#include <deque>

#include "tests/interop/remote_device.h"

// Our sessions with libsignal's, both ways: opened by either side, over a road that loses, reorders
// and repeats messages.

namespace godwit::interop {
namespace {

using namespace crypto::signal;
using crypto::signal::testing::Device;

class SessionInteropTest : public InteropTest {
 protected:
  Device ours{"ours@example.org", 11};
};

TEST_F(SessionInteropTest, WeOpen) {
  RemoteDevice theirs(*peer, "theirs");
  for (const bool one_time : {true, false}) {
    ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(one_time)));
    const auto first = ours.send(theirs.address(), "hello");
    ASSERT_EQ(first->kind, MessageKind::prekey);
    const auto read = theirs.receive(ours.address, *first);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, "hello");
    const auto answer = theirs.send(ours.address, "welcome");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->kind, MessageKind::signal);
    EXPECT_EQ(ours.receive(theirs.address(), *answer), "welcome");
  }
}

TEST_F(SessionInteropTest, TheyOpen) {
  RemoteDevice theirs(*peer, "theirs");
  for (const bool one_time : {true, false}) {
    const auto opened = theirs.open(ours.address, ours.bundle({.one_time = one_time}));
    ASSERT_TRUE(opened) << opened.error().message;
    const auto first = theirs.send(ours.address, "hello");
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_EQ(first->kind, MessageKind::prekey);
    const auto read = ours.receive(theirs.address(), *first);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, "hello");
    EXPECT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "welcome")), "welcome");
  }
}

}  // namespace
}  // namespace godwit::interop
