// A cluster of real servers on loopback for tests: started once a program by ./dev cluster, ended with it.
#pragma once

#include "command_line/source_dir.hpp"

#include <kvstrata/tiers/redis/config.hpp>

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace kvstrata_test {

/// What a command says, and whether it went well.
struct command_result
{
  bool well = false;
  std::string output;
};
[[nodiscard]] inline command_result run_command(const std::string& line)
{
  command_result out;
  std::FILE* const pipe = ::popen((line + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 512> some{};
  while (const std::size_t n = std::fread(some.data(), 1, some.size(), pipe)) out.output.append(some.data(), n);
  out.well = ::pclose(pipe) == 0;
  return out;
}

class real_cluster
{
 public:
  /// Null: there can be none; `why` says why not.
  [[nodiscard]] static std::unique_ptr<real_cluster> make(std::string& why, const std::string& options = {})
  {
    if (!run_command("command -v redis-server redis-cli").well) {
      why = "there is no redis-server: Debian and Ubuntu have it in the package redis-server";
      return nullptr;
    }
    std::random_device random;
    for (int attempt = 0; attempt < 4; ++attempt) {
      std::unique_ptr<real_cluster> out(
          new real_cluster(20000 + random() % 1000 * 10, options.find("--tls") != std::string::npos));
      const command_result up = run_command(out->dev("up " + options));
      if (up.well) {
        return out;
      }
      out->started_ = false;
      why = "./dev cluster up fails: " + up.output;
    }
    return nullptr;
  }
  /// The program's own, which tests leave as they find it.
  [[nodiscard]] static real_cluster* shared(std::string& why)
  {
    static std::string said;
    static const std::unique_ptr<real_cluster> one = make(said);
    why = said;
    return one.get();
  }
  ~real_cluster()
  {
    if (started_) static_cast<void>(run_command(dev("down")));
  }
  real_cluster(const real_cluster&) = delete;
  real_cluster& operator=(const real_cluster&) = delete;

  [[nodiscard]] std::uint32_t port(std::size_t server) const noexcept
  {
    return port_ + static_cast<std::uint32_t>(server);
  }
  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  [[nodiscard]] std::shared_ptr<const kvstrata::redis::secret> password() const
  {
    return kvstrata::redis::secret::of_file(folder_ + "/password");
  }
  /// A store's, with keys that no other call's has.
  [[nodiscard]] kvstrata::redis_cluster_config config() const
  {
    static std::atomic<int> calls{0};
    return {.addresses = {"127.0.0.1:" + std::to_string(port(0)), "127.0.0.1:" + std::to_string(port(1))},
            .password = password(),
            .prefix = "t" + std::to_string(calls++),
            .request_seconds = 5};  // machines that do much else
  }
  /// What a server says to a command.
  [[nodiscard]] std::string ask(std::size_t server, const std::string& command) const
  {
    return run_command("REDISCLI_AUTH=$(cat " + folder_ + "/password) redis-cli --no-auth-warning " +
                       (tls_ ? "--tls --cacert " + trusted() + " " : std::string()) + "-h 127.0.0.1 -p " +
                       std::to_string(port(server)) + " " + command)
        .output;
  }
  /// Whom a client of a cluster over TLS trusts.
  [[nodiscard]] std::string trusted() const { return folder_ + "/ca.crt"; }
  /// Servers are known by other ports from now on, to their clients and their replicas; waits until all know. False: they do not.
  template <class Port>
  [[nodiscard]] bool move_to(Port&& port_of, std::size_t servers = 6) const
  {
    for (std::size_t i = 0; i < servers; ++i) {
      const std::string what = "cluster-announce-port " + std::to_string(port_of(i));
      if (ask(i, "CONFIG SET " + what).find("OK") != 0) return false;
      std::ofstream(conf_of(i), std::ios::app) << what << '\n';  // also when it is started again
    }
    const auto knows = [&](std::size_t i) {
      const std::string slots = ask(i, "CLUSTER SLOTS");
      for (std::size_t j = 0; j < servers; ++j) {
        if (slots.find(std::to_string(port_of(j))) == std::string::npos) return false;
      }
      const std::string role = ask(i, "INFO replication");
      return role.find("role:slave") == std::string::npos ||
             (role.find("master_link_status:up") != std::string::npos &&
              role.find("master_port:" + std::to_string(port(0))) == std::string::npos);
    };
    for (std::size_t i = 0, tries = 0; i < servers; ++tries) {
      if (knows(i)) ++i;
      else if (tries == 400) return false;
      else std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
  }
  void signal(std::size_t server, const std::string& name) const
  {
    static_cast<void>(
        run_command("kill -" + name + " $(cat " + folder_ + "/" + std::to_string(port(server)) + "/pid)"));
  }
  /// Starts a server again that was killed.
  void start(std::size_t server) const { static_cast<void>(run_command("redis-server " + conf_of(server))); }

 private:
  real_cluster(std::uint32_t port, bool tls) : port_(port), tls_(tls)
  {
    char name[] = "/tmp/kvstrata_cluster_test.XXXXXX";
    if (::mkdtemp(name) != nullptr) folder_ = std::string(name) + "/c";
  }
  [[nodiscard]] std::string conf_of(std::size_t server) const
  {
    return folder_ + "/" + std::to_string(port(server)) + "/conf";
  }
  [[nodiscard]] std::string dev(const std::string& what) const
  {
    return "bash '" + tools::source_dir().string() + "/dev' --no-install cluster " + what + " --dir " + folder_ +
           (what.rfind("up", 0) == 0 ? " --port " + std::to_string(port_) : std::string());
  }

  std::uint32_t port_;
  bool tls_;
  std::string folder_;
  bool started_ = true;
};

/// Skips the test where there can be no cluster.
#define KVSTRATA_NEED_CLUSTER(name)                                                          \
  std::string name##_why;                                                                    \
  kvstrata_test::real_cluster* const name = kvstrata_test::real_cluster::shared(name##_why); \
  if (name == nullptr) {                                                                     \
    WARN("SKIPPED: " << name##_why);                                                         \
    return;                                                                                  \
  }

}  // namespace kvstrata_test
