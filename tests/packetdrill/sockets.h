// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "tests/packetdrill/descriptors.h"
#include "tests/packetdrill/interface.h"
#include "tests/packetdrill/machine.h"
#include "tests/packetdrill/socket_options.h"

namespace godwit::packetdrill {

// Sockets, pipes and epoll instances over a Machine, as the system's calls have them. Every
// function takes the lock itself and returns the call's result, or an error's number below 0.
class Sockets {
 public:
  explicit Sockets(const MachineSettings& settings) : machine_(settings, *this) {}
  ~Sockets();
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  // Opening and closing (socket_calls.cc).
  int socket(int domain, int type, int protocol);
  int bind(int fd, const sockaddr* address, socklen_t size);
  int listen(int fd, int backlog);
  int accept(int fd, sockaddr* address, socklen_t* size);
  int connect(int fd, const sockaddr* address, socklen_t size);
  int close(int fd);
  int shutdown(int fd, int how);
  int fcntl(int fd, int command, long argument);
  int ioctl(int fd, unsigned long request, void* argument);

  // Data (data_calls.cc).
  ssize_t receive(int fd, std::span<const iovec> pieces, int flags);
  ssize_t receive_message(int fd, msghdr& message, int flags);
  ssize_t send(int fd, std::span<const iovec> pieces, int flags);
  int pipe(int fds[2]);
  ssize_t splice(int in, int out, std::size_t size, unsigned flags);

  // Options (option_calls.cc).
  int getsockopt(int fd, int level, int name, void* value, socklen_t* size);
  int setsockopt(int fd, int level, int name, const void* value, socklen_t size);

  // Waiting (poll_calls.cc).
  int poll(std::span<pollfd> fds, int timeout_ms);
  int epoll_create(int size);
  int epoll_ctl(int epoll, int operation, int fd, epoll_event* event);
  int epoll_wait(int epoll, std::span<epoll_event> events, int timeout_ms);

  // The network and time.
  int netdev_send(Bytes packet);
  int netdev_receive(void* buffer, std::size_t* count, long long* time_us);
  void sleep(Duration by);
  timeval time();

  // The stack's events.
  void on_open(ConnectionName name, bool connected);
  void on_bytes(ConnectionName name, std::uint64_t user, MutableBytes lease);
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName name, std::uint64_t user, dataplane::io::CloseReason reason);
  void on_peer_finished(ConnectionName name, std::uint64_t user);

 private:
  enum class Kind { stream, pipe_in, pipe_out, epoll };
  enum class Phase { fresh, listening, connecting, connected, closed };

  struct Watched {
    epoll_event event{};
    std::uint64_t reported = 0;  // of an edge-triggered one: what had happened then
  };
  struct File {
    Kind kind = Kind::stream;
    Phase phase = Phase::fresh;
    bool nonblocking = false;
    bool v6 = false;
    // Streams.
    IpAddress bound;
    std::uint16_t port = 0;
    ConnectionName name;
    std::deque<ConnectionName> queue;  // of a listener: opened and not accepted
    std::size_t backlog = 0;
    bool peer_finished = false;
    bool read_shut = false;
    bool write_shut = false;
    bool reset_told = false;
    int error = 0;
    SocketOptions options;
    bool more = false;           // the last write announced another
    bool open_untold = false;    // a connect() that did not wait has come through
    std::uint32_t accepted = 0;  // that ever were in the queue
    // Streams and pipes: what has come and is not read.
    std::shared_ptr<std::deque<std::uint8_t>> bytes = std::make_shared<std::deque<std::uint8_t>>();
    // An epoll instance.
    std::map<int, Watched> watched;
  };
  // What has happened to a connection that nobody has accepted.
  struct Waiting {
    std::deque<std::uint8_t> bytes;
    bool peer_finished = false;
    std::optional<int> error;
  };

  File* find(int fd);
  File* find(int fd, Kind kind);
  File* owner(ConnectionName name);
  int add(File file);
  File* listener_of(ConnectionName name);
  bool take_accepted(File& listener, File& accepted);
  int finish_connect(File& file);
  int disconnect(File& file);
  // Unread bytes, here and in the stack.
  std::size_t unread(const File& file);
  // The peer's FIN has come; what is unread comes first.
  bool finished(const File& file);
  void fetch(File& file, std::size_t wanted);
  std::size_t room(const File& file);
  bool readable(File& file);
  bool writable(File& file);
  std::uint64_t happened(File& file);
  bool refuses_more(Bytes packet);
  Instant deadline(Duration timeout) const;
  std::optional<std::vector<std::uint8_t>> option(File& file, int level, int name);
  void apply_options(File& file);
  void push_held(File& file);
  void hold_for_more(File& file, bool more);
  std::uint32_t ready(int fd, File& file);
  int take_error(File& file);
  ssize_t send_some(Machine::Lock& lock, int fd, Bytes bytes, int flags);
  ssize_t receive_some(Machine::Lock& lock, int fd, MutableBytes out, int flags, bool wait);
  std::vector<std::uint8_t> tcp_info(const File& file);
  Instant deadline(int timeout_ms) const;
  std::vector<epoll_event> epoll_ready(File& instance, std::size_t most);

  std::map<int, File> files_;
  std::map<ConnectionName, Waiting> waiting_;
  Descriptors descriptors_;
  int icmp_error_ = 0;  // of the packet that is being taken
  Machine machine_;
};

// From and to the system's form of an address and a port.
struct Address {
  IpAddress ip;
  std::uint16_t port = 0;
};
// The error that a message of ICMP stands for; 0 for what is none.
int error_of_icmp(Bytes packet);
std::optional<Address> read_address(const sockaddr* address, socklen_t size);
void write_address(const Address& from, bool v6, sockaddr* address, socklen_t* size);

}  // namespace godwit::packetdrill
