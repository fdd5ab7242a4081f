// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/dataplane/io/conformance_world.h"
#include "tests/dataplane/io/tap_world.h"

namespace godwit::dataplane::io {

using Worlds =
    ::testing::Types<Alike<MemoryWorld>, Alike<PacketWorld>, Alike<UringWorld<AllFeatures>>,
                     Alike<UringWorld<NoDeferredTaskWork>>, Alike<UringWorld<NoDirectDescriptors>>,
                     Alike<UringWorld<NoMultishotReceive>>, Alike<UringWorld<PlainRing>>,
                     TapServerWorld, TapClientWorld>;

}  // namespace godwit::dataplane::io
