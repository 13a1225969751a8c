// Where a server of a cluster is.
#pragma once

#include <kvstrata/core/error.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

struct address
{
  std::string host;
  std::uint16_t port = 0;

  [[nodiscard]] bool empty() const noexcept { return port == 0; }
  friend bool operator==(const address&, const address&) = default;
};

[[nodiscard]] inline std::string to_string(const address& a)
{
  const bool v6 = a.host.find(':') != std::string::npos;
  return (v6 ? "[" + a.host + "]" : a.host) + ":" + std::to_string(a.port);
}

/// A port of 1 to 65535; 0: it is none.
[[nodiscard]] inline std::uint16_t port_of(std::string_view text) noexcept
{
  std::uint32_t port = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (fault != std::errc{} || end != text.data() + text.size() || port > 65535) return 0;
  return static_cast<std::uint16_t>(port);
}

/// "host:port", "[v6]:port" or "v6:port", cut at the last colon. The host may be empty. Empty: there is no port.
[[nodiscard]] inline std::optional<address> split_address(std::string_view text)
{
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::uint16_t port = port_of(text.substr(colon + 1));
  if (port == 0) return std::nullopt;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return address{std::string(host), port};
}

/// As a person wrote it. Throws config_error.
[[nodiscard]] inline address parse_address(std::string_view field, std::string_view text)
{
  auto out = split_address(text);
  if (!out || out->host.empty()) {
    throw config_error(field, text.empty() ? std::string_view("empty") : text,
                       "it must be a host and a port from 1 to 65535, as in 127.0.0.1:7001");
  }
  return *std::move(out);
}

/// Does it mean this machine, whatever the machine's names are?
[[nodiscard]] inline bool is_loopback(const address& a) noexcept
{
  return a.host == "localhost" || a.host == "::1" || a.host.rfind("127.", 0) == 0;
}

}  // namespace kvstrata::redis
