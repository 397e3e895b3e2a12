// SPDX-License-Identifier: Apache-2.0
#include "page_server.hpp"

#include <httplib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "failure.hpp"
#include "interrupt.hpp"
#include "page_files.hpp"
#include "page_json.hpp"
#include "shared_looks.hpp"

namespace ipc0cp::cli {
namespace {

constexpr const char* kJson = "application/json";
constexpr const char* kOpenMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
constexpr const char* kText = "text/plain; charset=utf-8";
constexpr std::string_view kRings = "/api/rings";

using Status = int;
constexpr Status kOk = 200;
constexpr Status kForbidden = 403;
constexpr Status kNotFound = 404;
constexpr Status kNoSuchMethod = 405;
constexpr Status kOurFault = 500;

/// The page needs itself and nothing else; no other page may show, load or ask it.
const httplib::Headers headers_of_all{
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cache-Control", "no-store"},
};

void reply(httplib::Response& response, Status status, std::string_view content,
           const char* content_type) {
  response.status = status;
  response.set_content(content.data(), content.size(), content_type);
}

void reply_error(httplib::Response& response, Status status, const std::string& sentence) {
  reply(response, status, Json{{"error", sentence}}.dump(-1, ' ', true) + "\n", kJson);
}

/// Answers requests, each of which comes on some thread of the server.
class Answers {
 public:
  void answer(const httplib::Request& request, httplib::Response& response) {
    if (!may_be_asked_as(request.get_header_value("Host"))) {
      return reply(response, kForbidden,
                   "This page is told under localhost or an address only, so that no page from "
                   "elsewhere can read it.\nGo to http://localhost and the port that ipc0cp serve "
                   "has printed.\n",
                   kText);
    }
    if (request.method != "GET" && request.method != "HEAD") {
      response.set_header("Allow", "GET, HEAD");
      return reply(response, kNoSuchMethod, "This page is for reading: GET and HEAD.\n", kText);
    }
    try {
      find(request.path, response);
    } catch (const std::exception& error) {
      reply_error(response, kOurFault, error.what());
    }
  }

 private:
  void find(const std::string& path, httplib::Response& response) {
    if (path == "/metrics") {
      return reply(response, kOk, open_metrics(inspect::rings()), kOpenMetrics);
    }
    if (path == kRings) return reply_json(response, page_json(*looks_.get()));
    if (path.starts_with(kRings) && path[kRings.size()] == '/') {
      return find_ring(path.substr(kRings.size() + 1), response);
    }
    for (const PageFile& file : page_files()) {
      if (path == (file.path == "/page.html" ? "/" : file.path)) {
        return reply(response, kOk, file.content, file.content_type);
      }
    }
    reply(response, kNotFound, "There are /, /api/rings, /api/rings/NAME and /metrics.\n", kText);
  }

  void find_ring(const std::string& name, httplib::Response& response) {
    const std::shared_ptr<const TopPage> page = looks_.get();
    const auto is_it = [&name](const TopRow& row) { return row.ring.name == name; };
    const auto row = std::find_if(page->rows.begin(), page->rows.end(), is_it);
    if (row == page->rows.end()) {
      return reply_error(response, kNotFound, "there is no ring of this name; see /api/rings");
    }
    reply_json(response, row_json(*row));
  }

  static void reply_json(httplib::Response& response, const Json& json) {
    reply(response, kOk, json.dump(-1, ' ', true) + "\n", kJson);
  }

  SharedLooks looks_;
};

void set_up(httplib::Server& server, Answers& answers) {
  constexpr std::size_t kThreads = 16;
  constexpr std::size_t kLargestBody = 1024;
  constexpr std::time_t kSecondsUntilRequest = 1;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  // A connection for each request: one that idles would hold a thread, and delay the end of the
  // program; and a body that nobody reads would be taken for the next request.
  server.set_keep_alive_max_count(1);
  server.set_keep_alive_timeout(kSecondsUntilRequest);
  server.set_payload_max_length(kLargestBody);
  server.set_tcp_nodelay(true);
  server.set_default_headers(headers_of_all);
  // The library would share the port with a second server of the same user (SO_REUSEPORT).
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  // Before any routing, which would read paths by regular expressions.
  server.set_pre_routing_handler([&answers](const auto& request, auto& response) {
    answers.answer(request, response);
    return httplib::Server::HandlerResponse::Handled;
  });
}

[[noreturn]] void cannot_bind(const ServeOptions& options, int error) {
  const int port = port_of(options);
  const std::string place = "port " + std::to_string(port) + " of " + options.address;
  switch (error) {
    case EADDRINUSE: {
      const int other = port < 65535 ? port + 1 : port - 1;
      throw Failure(kFailed, place +
                                 " is taken by another program; another one: ipc0cp serve "
                                 "--port " +
                                 std::to_string(other) +
                                 ", or any that is free: ipc0cp serve --port 0");
    }
    case EACCES:
      throw Failure(kFailed, place +
                                 " is for root only; ports from 1024 on are for everybody: "
                                 "ipc0cp serve --port 8765");
    case EADDRNOTAVAIL:
      throw Failure(kFailed, "this machine has no address " + options.address +
                                 "; those that it has are shown by: ip address");
    default:
      throw Failure(kFailed, "cannot listen at " + place + ": " + std::strerror(error));
  }
}

/// @return the port.
int bind(httplib::Server& server, const ServeOptions& options) {
  errno = 0;
  int port = port_of(options);
  if (port == 0) {
    port = server.bind_to_any_port(options.address);
  } else if (!server.bind_to_port(options.address, port)) {
    port = -1;
  }
  if (port < 0) cannot_bind(options, errno);
  return port;
}

void announce(const ServeOptions& options, int port) {
  std::string host = options.address;
  if (host == "0.0.0.0" || host == "::") host = "localhost";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  if (!is_loopback(options.address)) {
    std::cerr << "ipc0cp: warning: whoever reaches " << options.address << " port " << port
              << " sees names, sizes and processes of all rings; there is no password and no "
                 "encryption\nSafer, from the other machine: ssh -L "
              << port << ":localhost:" << port << " THIS_MACHINE, with ipc0cp serve --port " << port
              << " here\n";
  }
  print_text("http://" + host + ":" + std::to_string(port) + "/\n");
  if (isatty(1) == 1) std::cerr << "Ctrl-C ends it\n";
}

}  // namespace

int serve(const ServeOptions& options) {
  httplib::Server server;
  Answers answers;
  set_up(server, answers);
  const int port = bind(server, options);
  std::future<bool> ended;
  {
    const SignalsForThisThread here;
    ended = std::async(std::launch::async, [&server] { return server.listen_after_bind(); });
  }
  const auto has_ended = [&ended](std::chrono::milliseconds patience) {
    return ended.wait_for(patience) == std::future_status::ready;
  };
  // A server that does not run yet cannot be stopped.
  while (!server.is_running() && !has_ended(std::chrono::milliseconds(1))) continue;
  try {
    announce(options, port);
    while (!interrupted() && !has_ended(std::chrono::milliseconds(100))) continue;
  } catch (...) {
    server.stop();
    throw;
  }
  if (!interrupted()) throw Failure(kFailed, "the page cannot take connections any more");
  server.stop();
  return kDone;
}

}  // namespace ipc0cp::cli
