// A server on loopback that speaks as much of Redis as a redis_cluster asks of it, alone in its cluster, and behaves as badly
// as a test wants.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata_test {

class toy_server
{
 public:
  using words = std::vector<std::string>;
  enum class fault : std::uint8_t {
    none,
    answers,    ///< `text`, to all but CLUSTER, AUTH and TIME
    once,       ///< the same, once
    truncated,  ///< half of an answer, then the end
    silent,
    slow,    ///< each after 50 ms
    closes,  ///< at the first word
    longer,  ///< a text of 2^40 bytes
    lists,   ///< a list of 2^31 - 1 texts, for CLUSTER SLOTS as well
  };

  toy_server()
  {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::socklen_t size = sizeof at;
    if (::bind(listener_, reinterpret_cast<::sockaddr*>(&at), size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<::sockaddr*>(&at), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(at.sin_port);
    accepts_ = std::thread([this] { accept_all(); });
  }
  toy_server(const toy_server&) = delete;
  toy_server& operator=(const toy_server&) = delete;
  ~toy_server()
  {
    stops_ = true;
    accepts_.join();
    for (std::thread& t : serves_) t.join();
    ::close(listener_);
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void behave(fault how, std::string text = {})
  {
    const std::lock_guard lock(mutex_);
    fault_ = how;
    text_ = std::move(text);
  }
  [[nodiscard]] std::uint64_t commands() const noexcept { return commands_; }  ///< all that were answered
  /// What is kept under a key; null: nothing.
  [[nodiscard]] std::optional<std::string> value(const std::string& key)
  {
    const std::lock_guard lock(mutex_);
    const auto at = values_.find(key);
    return at == values_.end() ? std::nullopt : std::optional(at->second);
  }
  [[nodiscard]] std::size_t size()
  {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }
  /// What is kept is changed: change(key, value).
  template <class Change>
  void each(Change&& change)
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, kept] : values_) change(key, kept);
  }
  /// Keys go for which goes(key) says so.
  template <class Goes>
  void evict(Goes&& goes)
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(values_, [&](const auto& one) { return goes(one.first); });
  }
  void clear()
  {
    const std::lock_guard lock(mutex_);
    values_.clear();
  }

 private:
  void accept_all()
  {
    while (!stops_) {
      ::pollfd one{.fd = listener_, .events = POLLIN, .revents = 0};
      if (::poll(&one, 1, 20) <= 0) continue;
      const int link = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (link < 0) continue;
      const int on =
          1;  // as servers do: else the second answer of two waits until the first is acknowledged, 40 ms later
      ::setsockopt(link, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      serves_.emplace_back([this, link] { serve(link); });
    }
  }

  void serve(int link)
  {
    std::string in;
    std::string some(1U << 16U, '\0');
    while (!stops_) {
      ::pollfd one{.fd = link, .events = POLLIN, .revents = 0};
      if (::poll(&one, 1, 20) <= 0) continue;
      const ::ssize_t got = ::recv(link, some.data(), some.size(), 0);
      if (got <= 0) break;
      in.append(some.data(), static_cast<std::size_t>(got));
      bool goes_on = true;
      while (const auto command = take(in)) {
        std::string out = answer(*command, goes_on);
        ++commands_;
        for (std::size_t at = 0; at < out.size();) {
          const ::ssize_t sent = ::send(link, out.data() + at, out.size() - at, MSG_NOSIGNAL);
          if (sent <= 0) goes_on = false;
          if (!goes_on && sent <= 0) break;
          at += static_cast<std::size_t>(sent);
        }
        if (!goes_on) break;
      }
      if (!goes_on) break;
    }
    ::close(link);
  }

  /// A whole command from the front; empty: there is none yet.
  [[nodiscard]] static std::optional<words> take(std::string& in)
  {
    std::size_t at = 0;
    const auto number = [&](char mark) -> std::optional<std::size_t> {
      const std::size_t end = in.find("\r\n", at);
      if (end == std::string::npos || in[at] != mark) return std::nullopt;
      const auto out = static_cast<std::size_t>(std::strtoull(in.c_str() + at + 1, nullptr, 10));
      at = end + 2;
      return out;
    };
    const auto count = number('*');
    if (!count) return std::nullopt;
    words out;
    for (std::size_t i = 0; i < *count; ++i) {
      const auto length = number('$');
      if (!length || in.size() < at + *length + 2) return std::nullopt;
      out.push_back(in.substr(at, *length));
      at += *length + 2;
    }
    in.erase(0, at);
    return out;
  }

  static std::string text(const std::string& s) { return "$" + std::to_string(s.size()) + "\r\n" + s + "\r\n"; }

  std::string answer(const words& command, bool& goes_on)
  {
    std::unique_lock lock(mutex_);
    const bool about_data =
        command[0] != "CLUSTER" && command[0] != "AUTH" && command[0] != "TIME" && command[0] != "ASKING";
    const fault how = fault_;
    if (how == fault::lists && command[0] == "CLUSTER") return "*2147483647\r\n*2147483647\r\n";
    if (about_data) {
      switch (how) {
        case fault::none:
        case fault::lists: break;
        case fault::once: fault_ = fault::none; return text_;
        case fault::answers: return text_;
        case fault::truncated: goes_on = false; return "$100000\r\nabc";
        case fault::silent:
          lock.unlock();
          while (!stops_ && behaviour() == fault::silent) std::this_thread::sleep_for(std::chrono::milliseconds(5));
          goes_on = false;
          return {};
        case fault::slow:
          lock.unlock();
          std::this_thread::sleep_for(std::chrono::milliseconds(50));
          lock.lock();
          break;
        case fault::closes: goes_on = false; return {};
        case fault::longer: return "$1099511627776\r\n";
      }
    }
    return carry_out(command);
  }
  [[nodiscard]] fault behaviour()
  {
    const std::lock_guard lock(mutex_);
    return fault_;
  }

  std::string carry_out(const words& command)
  {
    const std::string& what = command[0];
    if (what == "CLUSTER") {
      return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n" + text("127.0.0.1") + ":" + std::to_string(port_) + "\r\n";
    }
    if (what == "PING") return "+PONG\r\n";
    if (what == "AUTH" || what == "ASKING") return "+OK\r\n";
    if (what == "TIME") return "*2\r\n" + text("1700000000") + text(std::to_string(100000 + ++time_));
    if (what == "WAIT") return ":0\r\n";
    if (what == "SET") {
      values_[command[1]] = command[2];
      return "+OK\r\n";
    }
    if (what == "UNLINK") return values_.erase(command[1]) != 0 ? ":1\r\n" : ":0\r\n";
    if (what == "GET") {
      const auto at = values_.find(command[1]);
      return at == values_.end() ? "$-1\r\n" : text(at->second);
    }
    if (what == "EVAL") {  // the one script there is: compare, and set
      std::string& now = values_[command[3]];
      if (now != command[4]) return text(now);
      now = command[5];
      return ":1\r\n";
    }
    return "-ERR unknown command\r\n";
  }

  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stops_{false};
  std::atomic<std::uint64_t> commands_{0};
  std::mutex mutex_;  // what follows
  fault fault_ = fault::none;
  std::string text_;
  std::map<std::string, std::string> values_;
  std::uint64_t time_ = 0;
  std::thread accepts_;
  std::vector<std::thread> serves_;
};

}  // namespace kvstrata_test
