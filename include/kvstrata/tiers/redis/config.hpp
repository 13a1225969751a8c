// What a redis_cluster is made with.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/redis/format/value_head.hpp>
#include <kvstrata/tiers/redis/topology/address.hpp>
#include <kvstrata/tiers/redis/topology/secret.hpp>
#include <kvstrata/tiers/stores/codes/body_code.hpp>
#include <kvstrata/tiers/stores/codes/coded_part.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// When a put is done.
enum class cluster_done : std::uint8_t {
  acknowledged,  ///< the master said OK: should it die now, what it said is lost
  replicated,    ///< a replica has it, too, where the master has any (WAIT)
};

struct cluster_tls
{
  bool on = false;
  std::string ca_file{};    ///< whom to trust; empty: whom the system trusts
  std::string cert_file{};  ///< and who this is, where the servers ask
  std::string key_file{};
  std::string server_name{};  ///< in their certificates, where it is not the host's
};

struct redis_cluster_config
{
  std::vector<std::string> addresses{};             ///< "host:port" of some of its servers; they tell of the others
  std::string user{};                               ///< of the server's ACL; empty: the default user
  std::shared_ptr<const redis::secret> password{};  ///< secret::of_file, of_variable
  bool without_password = false;                    ///< what is not on this machine may be asked without one
  cluster_tls tls{};
  bool may_be_away = false;   ///< start though nobody answers: all is a miss until somebody does
  std::string prefix = "kv";  ///< of all keys: caches that share states have one, and fleets that do not have others
  std::uint32_t layers = 1;   ///< of a page; each lies in values of its own
  std::uint32_t value_bytes =
      (256U << 10U) - 64;  ///< at most, with its head; 2^n - 64, which wastes no memory of the server
  /// What a codec encodes: a page in one layer (piece_of(shape, page_tokens)). Not looked at without one.
  piece_shape piece{};
  /// The codec: redis_cluster<codec::...> sets it. Null: bytes as they are.
  std::shared_ptr<const stores::body_code> code{};
  cluster_done done_when = cluster_done::replicated;
  std::uint32_t lanes = 4;       ///< host streams
  std::uint32_t in_flight = 64;  ///< of a lane
  std::uint32_t workers = 4;     ///< threads that carry out puts and gets, each with connections of its own
  std::uint64_t connection_bytes = 4ULL << 20U;  ///< asked for and not yet answered, of a connection ...
  std::uint64_t server_bytes = 16ULL << 20U;     ///< ... and of a server: its memory holds them beside what it keeps
  double connect_seconds = 0.25;
  double request_seconds = 0.5;          ///< for one put, get or ask, redirections included: then it is lost
  double known_seconds = 5;              ///< what was heard of a sequence counts so long; then it is asked for again
  double away_seconds = 0.2;             ///< sequences of a server that did not answer are absent so long
  double most_wait_seconds = 1;          ///< at most so long a server that does not answer is left alone
  std::uint32_t erased_seconds = 86400;  ///< so long an erasure holds off who has not heard of it
  std::uint32_t known_sequences = 1U << 16U;  ///< of which it is remembered what was heard
  double seconds = 500e-6;                    ///< in virtual time an I/O takes so long, ...
  double bytes_per_second = 1e9;              ///< ... and what it moves at this speed beside

  /// A value of one page, with its head, however badly its code turns out.
  [[nodiscard]] static std::uint64_t most_bytes_of_a_page(const redis_cluster_config& c)
  {
    return redis::value_head_bytes + stores::most_part_bytes(1, c.code->piece().bytes());
  }

  /// Throws config_error.
  friend void check(const redis_cluster_config& c)
  {
    const auto refuse = [](const char* field, std::string_view value, const std::string& why) {
      throw config_error(std::string("redis_cluster.") + field, value, why);
    };
    const auto number = [&](const char* field, std::uint64_t value, const std::string& why) {
      refuse(field, std::to_string(value), why);
    };
    if (c.addresses.empty()) refuse("addresses", "empty", "it must name at least one server, as in 127.0.0.1:7001");
    for (const std::string& text : c.addresses) {
      const redis::address where = redis::parse_address("redis_cluster.addresses", text);
      if (c.password == nullptr && !c.without_password && !redis::is_loopback(where)) {
        refuse("password", "not set",
               "a server that is not on this machine's loopback, " + redis::to_string(where) +
                   ", is asked without one only where without_password says so");
      }
    }
    if (!c.user.empty() && c.password == nullptr) refuse("user", c.user, "a user has a password");
    if (c.prefix.empty() || c.prefix.size() > 64 || c.prefix.find_first_of("{} \r\n") != std::string::npos) {
      refuse("prefix", c.prefix, "it must be 1 to 64 characters, without braces and spaces");
    }
    if (c.layers == 0 || c.layers > 4096) number("layers", c.layers, "it must be at least 1 and at most 4096");
    if (!std::has_single_bit(c.value_bytes + 64U) || c.value_bytes < 1024 - 64 || c.value_bytes > (64U << 20U)) {
      number("value_bytes", c.value_bytes, "it must be 2^n - 64, from 960 to 67108800");
    }
    if (c.code && most_bytes_of_a_page(c) > c.value_bytes) {
      number("value_bytes", c.value_bytes,
             "with a codec a value has whole pages, and one of " + std::to_string(c.code->piece().bytes()) +
                 " bytes in each layer takes up to " + std::to_string(most_bytes_of_a_page(c)));
    }
    if (c.workers == 0 || c.workers > 256) number("workers", c.workers, "it must be at least 1 and at most 256");
    if (c.connection_bytes == 0) number("connection_bytes", 0, "it must be at least 1");
    if (c.server_bytes < c.connection_bytes) {
      number("server_bytes", c.server_bytes,
             "it must be at least connection_bytes, which is " + std::to_string(c.connection_bytes));
    }
    if (c.known_sequences == 0) number("known_sequences", 0, "it must be at least 1");
    if (c.erased_seconds == 0) number("erased_seconds", 0, "it must be at least 1");
    const auto time = [&](const char* field, double value) {
      if (value > 0 && value <= 86400) return;
      refuse(field, std::to_string(value), "it must be more than 0 and at most 86400 seconds");
    };
    time("connect_seconds", c.connect_seconds);
    time("request_seconds", c.request_seconds);
    time("known_seconds", c.known_seconds);
    time("away_seconds", c.away_seconds);
    time("most_wait_seconds", c.most_wait_seconds);
    if (!(c.seconds >= 0 && std::isfinite(c.seconds) && c.bytes_per_second > 0)) {
      refuse("seconds", std::to_string(c.seconds), "it must be at least 0, and bytes_per_second more than 0");
    }
  }
};

}  // namespace kvstrata
