// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/io/conformance_worlds.h"

#include "tests/dataplane/io/tap_world.h"

namespace godwit::dataplane::io {

std::vector<NamedWorld> worlds() {
  return {{"memory", AnyWorld::of<Alike<MemoryWorld>>},
          {"packets", AnyWorld::of<Alike<PacketWorld>>},
          {"packets_two_ports", AnyWorld::of<Alike<TwoPortWorld>>},
          {"uring", AnyWorld::of<Alike<UringWorld<AllFeatures>>>},
          {"uring_no_deferred_task_work", AnyWorld::of<Alike<UringWorld<NoDeferredTaskWork>>>},
          {"uring_no_direct_descriptors", AnyWorld::of<Alike<UringWorld<NoDirectDescriptors>>>},
          {"uring_no_multishot_receive", AnyWorld::of<Alike<UringWorld<NoMultishotReceive>>>},
          {"uring_plain", AnyWorld::of<Alike<UringWorld<PlainRing>>>},
          {"dpdk_tap_server", AnyWorld::of<TapServerWorld>},
          {"dpdk_tap_client", AnyWorld::of<TapClientWorld>}};
}

}  // namespace godwit::dataplane::io
