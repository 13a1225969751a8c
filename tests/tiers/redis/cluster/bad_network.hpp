// A network between a client and a server, on loopback and inside this process, that stalls, cuts and delays as it is told.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Whoever connects to its port is connected to the server's. It begins and ends with its object.
class bad_network
{
 public:
  using clock = std::chrono::steady_clock;
  enum class weather : std::uint8_t {
    passes,
    stalls,  ///< no byte gets through, in either direction, and nobody is told
    cuts,    ///< connections are reset, and new ones at once
  };

  explicit bad_network(std::uint16_t server) : server_(server)
  {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ::sockaddr_in at = loopback(0);
    ::socklen_t size = sizeof at;
    if (::bind(listener_, reinterpret_cast<::sockaddr*>(&at), size) != 0 || ::listen(listener_, 128) != 0 ||
        ::getsockname(listener_, reinterpret_cast<::sockaddr*>(&at), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(at.sin_port);
    carries_ = std::thread([this] { carry_all(); });
  }
  bad_network(const bad_network&) = delete;
  bad_network& operator=(const bad_network&) = delete;
  ~bad_network()
  {
    {
      const std::lock_guard lock(mutex_);
      stops_ = true;
    }
    carries_.join();
    for (const auto& one : links_) end(*one);
    ::close(listener_);
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  /// `late`: each byte of either way comes so much later.
  void be(weather what, std::chrono::milliseconds late = {})
  {
    const std::lock_guard lock(mutex_);
    weather_ = what;
    late_ = late;
    bytes_left_ = (std::numeric_limits<std::uint64_t>::max)();
  }
  /// So many bytes more come from the server, of all connections together; then it cuts.
  void cut_behind(std::uint64_t bytes)
  {
    const std::lock_guard lock(mutex_);
    bytes_left_ = bytes;
  }

 private:
  struct chunk
  {
    clock::time_point due;
    std::string bytes;
  };
  struct way
  {
    int from = -1, to = -1;
    std::deque<chunk> held{};
    std::size_t held_bytes = 0;
  };
  struct link
  {
    std::array<way, 2> ways{};  // to the server, and from it
    bool over = false;
  };
  static constexpr std::size_t most_held = 1U << 20U;

  [[nodiscard]] static ::sockaddr_in loopback(std::uint16_t port) noexcept
  {
    ::sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    out.sin_port = htons(port);
    return out;
  }
  static void end(const link& one) noexcept
  {
    for (const int fd : {one.ways[0].from, one.ways[0].to}) {
      const ::linger at_once{.l_onoff = 1, .l_linger = 0};  // reset: who waits is told
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(fd);
    }
  }

  void accept_one()
  {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) return;
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const ::sockaddr_in to = loopback(server_);
    auto made = std::make_unique<link>();
    made->ways = {way{.from = client, .to = server}, way{.from = server, .to = client}};
    if (::connect(server, reinterpret_cast<const ::sockaddr*>(&to), sizeof to) != 0) return end(*made);
    ::fcntl(server, F_SETFL, ::fcntl(server, F_GETFL) | O_NONBLOCK);
    const int on = 1;
    for (const int fd : {client, server}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    links_.push_back(std::move(made));
  }

  /// Reads what is there and holds it; false: its end.
  [[nodiscard]] static bool take(way& w, clock::time_point due)
  {
    std::array<char, 1U << 16U> some;
    const ::ssize_t got = ::recv(w.from, some.data(), some.size(), 0);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    w.held.push_back({due, std::string(some.data(), static_cast<std::size_t>(got))});
    w.held_bytes += static_cast<std::size_t>(got);
    return true;
  }
  /// Hands on what is due; false: nobody takes it any more. `left`: bytes that may pass.
  [[nodiscard]] static bool hand_on(way& w, clock::time_point now, std::uint64_t& left)
  {
    while (!w.held.empty() && w.held.front().due <= now && left != 0) {
      std::string& bytes = w.held.front().bytes;
      const auto part = static_cast<std::size_t>((std::min)(std::uint64_t{bytes.size()}, left));
      const ::ssize_t sent = ::send(w.to, bytes.data(), part, MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      const auto n = static_cast<std::size_t>(sent);
      left -= n;
      w.held_bytes -= n;
      bytes.erase(0, n);
      if (bytes.empty()) w.held.pop_front();
    }
    return true;
  }

  void carry_all()
  {
    std::vector<::pollfd> polled;
    for (;;) {
      weather now_is{};
      std::chrono::milliseconds late{};
      std::uint64_t left = 0;
      {
        const std::lock_guard lock(mutex_);
        if (stops_) return;
        now_is = weather_;
        late = late_;
        left = bytes_left_;
      }
      if (now_is == weather::cuts || left == 0) {
        for (const auto& one : links_) end(*one);
        links_.clear();
        if (const int next = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); next >= 0) {
          end({.ways = {way{.from = next, .to = -1}, way{}}, .over = true});
          continue;
        }
      }
      polled.assign(1, {.fd = listener_, .events = POLLIN, .revents = 0});
      const bool passes = now_is == weather::passes && left != 0;
      const clock::time_point now = clock::now();
      for (const auto& one : links_) {
        for (const way& w : one->ways) {
          const bool due = !w.held.empty() && w.held.front().due <= now;
          polled.push_back({.fd = w.from,
                            .events = static_cast<short>(passes && w.held_bytes < most_held ? POLLIN : 0),
                            .revents = 0});
          polled.push_back({.fd = w.to, .events = static_cast<short>(passes && due ? POLLOUT : 0), .revents = 0});
        }
      }
      ::poll(polled.data(), passes ? polled.size() : 1, late.count() != 0 || !passes ? 1 : 10);
      if (!passes) {
        if (now_is == weather::stalls) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      const clock::time_point due = clock::now() + late;
      std::uint64_t unbounded = (std::numeric_limits<std::uint64_t>::max)();
      std::uint64_t from_server = left;
      std::size_t at = 1;
      for (const auto& one : links_) {
        for (std::size_t i = 0; i < one->ways.size(); ++i, at += 2) {
          way& w = one->ways[i];
          if (polled[at].revents != 0 && w.held_bytes < most_held && !take(w, due)) one->over = true;
          if (!hand_on(w, clock::now(), i == 0 ? unbounded : from_server)) one->over = true;
        }
      }
      if (polled[0].revents != 0) accept_one();
      for (auto one = links_.begin(); one != links_.end();) {
        if ((*one)->over) end(**one);
        one = (*one)->over ? links_.erase(one) : one + 1;
      }
      const std::lock_guard lock(mutex_);
      if (bytes_left_ == left) bytes_left_ = from_server;  // else it was told otherwise meanwhile
    }
  }

  std::uint16_t server_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::vector<std::unique_ptr<link>> links_;  // the thread's
  std::mutex mutex_;                          // what follows
  bool stops_ = false;
  weather weather_ = weather::passes;
  std::chrono::milliseconds late_{};
  std::uint64_t bytes_left_ = (std::numeric_limits<std::uint64_t>::max)();
  std::thread carries_;
};

}  // namespace kvstrata_test
