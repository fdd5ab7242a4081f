// SPDX-License-Identifier: Apache-2.0
#include "control/metrics_server.h"

namespace godwit::control {
namespace {

std::string response(std::string_view status, std::string_view body, std::string_view headers = {},
                     bool with_body = true) {
  std::string out =
      "HTTP/1.1 " + std::string(status) +
      "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nConnection: close\r\n" +
      std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  if (with_body) out += body;
  return out;
}

// Where the header section ends; lines may end in CRLF or LF alone (RFC 9112, 2.2).
bool head_complete(std::string_view input) {
  return input.find("\r\n\r\n") != std::string_view::npos ||
         input.find("\n\n") != std::string_view::npos;
}

}  // namespace

Result<std::unique_ptr<MetricsServer>> MetricsServer::create(Poller& poller, const Options& options,
                                                             std::function<std::string()> page) {
  Result<FileDescriptor> listener = listen_tcp(options.listen.host, options.listen.port);
  if (!listener) return std::unexpected(listener.error());
  std::unique_ptr<MetricsServer> metrics(new MetricsServer(std::move(page)));
  metrics->port_ = bound_port(listener->get());
  Result<std::unique_ptr<SocketServer>> server = SocketServer::create(
      poller, std::move(*listener),
      {.connections_max = options.connections_max,
       .input_max = options.request_size_max,
       .idle_timeout = options.idle_timeout},
      [raw = metrics.get()](std::uint64_t connection, std::string& input, bool full, Now) {
        raw->on_input(connection, input, full);
      });
  if (!server) return std::unexpected(server.error());
  metrics->server_ = std::move(*server);
  return metrics;
}

void MetricsServer::on_input(std::uint64_t connection, std::string& input, bool full) {
  if (head_complete(input)) {
    std::string_view line(input.data(), input.find('\n'));
    if (line.ends_with('\r')) line.remove_suffix(1);
    server_->send(connection, answer(line), SocketServer::Then::close);
  } else if (full) {
    server_->send(connection, response("431 Request Header Fields Too Large", "too large\n"),
                  SocketServer::Then::close);
  }
}

std::string MetricsServer::answer(std::string_view line) const {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  const bool well_formed = first != std::string_view::npos && first > 0 && last > first + 1 &&
                           line.substr(last + 1).starts_with("HTTP/1.");
  if (!well_formed) return response("400 Bad Request", "not an HTTP/1 request\n");
  const std::string_view method = line.substr(0, first);
  std::string_view path = line.substr(first + 1, last - first - 1);
  path = path.substr(0, path.find('?'));
  if (path != "/metrics") return response("404 Not Found", "there is only /metrics\n");
  if (method != "GET" && method != "HEAD") {
    return response("405 Method Not Allowed", "GET only\n", "Allow: GET, HEAD\r\n");
  }
  return response("200 OK", page_(), {}, method == "GET");
}

}  // namespace godwit::control
