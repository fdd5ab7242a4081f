// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the threads of a gateway share a core where there is not one for each: a shard goes first,
// because every session of it waits meanwhile; storage takes what is left, and a tenth of the core
// at least.
//
// Both calls are for the calling thread and need no privilege. What the kernel does not know it
// ignores, and so do we: nothing but waiting times depends on it.

namespace godwit::queues {

// For a shard: its turns are short, and it wants each of them at once. Linux 6.12 lets one that
// asks for slices of 100 us (sched(7), sched_setattr(2)) interrupt one with the usual 3 ms.
void prefer_short_slices();
// For storage: ten steps nicer than the process, about a tenth of a shard's weight (sched(7)). Not
// idle priority: a shard that polls without end would then leave it nothing. In a process that runs
// at a real-time priority only the others keep that.
void step_back();

}  // namespace godwit::queues
