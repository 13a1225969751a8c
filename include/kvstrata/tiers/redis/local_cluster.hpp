// How programs come to a cluster's password: from a file or a variable; for one that ./dev cluster up started, by themselves.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/redis/config.hpp>
#include <kvstrata/tiers/redis/topology/address.hpp>
#include <kvstrata/tiers/redis/topology/secret.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Where ./dev cluster keeps what it started; another folder: KVSTRATA_CLUSTER_DIR.
[[nodiscard]] inline std::string local_cluster_folder()
{
  if (const char* const folder = std::getenv("KVSTRATA_CLUSTER_DIR"); folder != nullptr) return folder;
  const char* const tmp = std::getenv("TMPDIR");
  return std::string(tmp != nullptr && *tmp != '\0' ? tmp : "/tmp") + "/kvstrata-cluster-" + std::to_string(::getuid());
}

/// A server of the cluster that ./dev cluster up started; empty: there is none, or it is somebody else's.
[[nodiscard]] inline std::optional<address> local_cluster()
{
  const std::string folder = local_cluster_folder();
  struct ::stat about{};
  if (::stat(folder.c_str(), &about) != 0 || about.st_uid != ::getuid()) return std::nullopt;
  std::uint32_t port = 0;
  if (!(std::ifstream(folder + "/port") >> port) || port == 0 || port > 65535) return std::nullopt;
  return address{"127.0.0.1", static_cast<std::uint16_t>(port)};
}

/// A configuration for a cluster that a person named, "host:port" of one of its servers or several with commas between. The
/// password is that of KVSTRATA_CLUSTER_PASSWORD_FILE, or of KVSTRATA_CLUSTER_PASSWORD, or for a server on loopback that of the
/// local cluster, over TLS where that wants it. Throws config_error, error.
[[nodiscard]] inline redis_cluster_config cluster_config_of(std::string_view addresses)
{
  redis_cluster_config out;
  bool local = true;
  while (!addresses.empty()) {
    const std::size_t comma = addresses.find(',');
    const address where = parse_address("the cluster's address", addresses.substr(0, comma));
    local = local && is_loopback(where);
    out.addresses.push_back(to_string(where));
    addresses = comma == std::string_view::npos ? std::string_view() : addresses.substr(comma + 1);
  }
  if (const char* const file = std::getenv("KVSTRATA_CLUSTER_PASSWORD_FILE"); file != nullptr) {
    out.password = secret::of_file(file);
  } else if (auto told = secret::of_variable("KVSTRATA_CLUSTER_PASSWORD")) {
    out.password = std::move(told);
  } else if (local && local_cluster()) {
    out.password = secret::of_file(local_cluster_folder() + "/password");
    const std::string trusted = local_cluster_folder() + "/ca.crt";
    if (::access(trusted.c_str(), R_OK) == 0)
      out.tls = cluster_tls{.on = true, .ca_file = trusted};  // of ./dev cluster up --tls
  }
  if (const char* const user = std::getenv("KVSTRATA_CLUSTER_USER"); user != nullptr) out.user = user;
  return out;
}

}  // namespace kvstrata::redis
