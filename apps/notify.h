// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace godwit::apps {

// Tells systemd (sd_notify(3)): a datagram to NOTIFY_SOCKET. Does nothing where that is not set.
// Thread safe as long as nobody changes the environment.
void notify_systemd(std::string_view state);

}  // namespace godwit::apps
