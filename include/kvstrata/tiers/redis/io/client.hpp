// A client of a cluster: which server has which slot, and connections to them.
#pragma once

#include <kvstrata/tiers/redis/books/figures.hpp>
#include <kvstrata/tiers/redis/config.hpp>
#include <kvstrata/tiers/redis/io/server.hpp>
#include <kvstrata/tiers/redis/topology/slot_map.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Safe to use from several threads.
class client
{
 public:
  /// Asks the servers that are named for the slots. Throws config_error for nonsense, error where none answers, the password
  /// is refused, or one answers that is no cluster; unless c.may_be_away says that this may come later.
  client(const redis_cluster_config& c, cluster_counters& counters) : config_(c), counters_(&counters), tls_(c.tls)
  {
    for (const std::string& text : c.addresses) seeds_.push_back(parse_address("redis_cluster.addresses", text));
    std::string why;
    if (!refresh_sync(&why) && !c.may_be_away) throw error("redis_cluster: no server tells of a cluster: " + why);
  }

  [[nodiscard]] const redis_cluster_config& config() const noexcept { return config_; }
  [[nodiscard]] cluster_counters& counters() const noexcept { return *counters_; }
  [[nodiscard]] std::shared_ptr<const slot_map> slots() const
  {
    const std::lock_guard lock(mutex_);
    return slots_;
  }

  /// Whose the slot is. Null: nobody's, as far as is known.
  [[nodiscard]] std::shared_ptr<server> server_of(std::uint32_t slot)
  {
    const std::lock_guard lock(mutex_);
    const std::uint16_t owner = slots_->owner(slot);
    if (owner == slot_map::nobody) {
      wants_slots_ = true;
      return nullptr;
    }
    return server_at(slots_->masters()[owner]);
  }
  [[nodiscard]] std::shared_ptr<server> server_named(const address& where)
  {
    const std::lock_guard lock(mutex_);
    return server_at(where);
  }
  /// Replicas that a server has, as was last heard.
  [[nodiscard]] std::uint32_t replicas_of(const address& where) const
  {
    const std::lock_guard lock(mutex_);
    const auto& all = slots_->masters();
    const auto at = std::find(all.begin(), all.end(), where);
    return at == all.end() ? 0 : slots_->replicas(static_cast<std::uint16_t>(at - all.begin()));
  }

  /// A connection that is ready for use. Throws link_fault.
  [[nodiscard]] std::unique_ptr<connection> connect_sync(server& to, const time_limit& limit)
  {
    if (config_.password == nullptr && !config_.without_password && !is_loopback(to.where())) {
      throw link_fault(
          link_fault::kind::denied,
          to_string(to.where()) + ": it is not on this machine's loopback, and is not asked without a password");
    }
    auto out = std::make_unique<connection>(to.where(), tls_, config_.tls.on, config_.connect_seconds);
    ++counters_->connections;
    if (config_.password != nullptr) out->authenticate(config_.user, *config_.password, limit);
    return out;
  }

  [[nodiscard]] back_off_times times() const
  {
    return {std::chrono::milliseconds(10), std::chrono::duration_cast<std::chrono::nanoseconds>(
                                               std::chrono::duration<double>(config_.most_wait_seconds))};
  }

  /// Looks at servers that are left alone: those that answer are asked again from then on. True: some are still left alone.
  bool look_sync(const std::atomic<bool>* cancelled = nullptr)
  {
    std::vector<std::shared_ptr<server>> all;
    {
      const std::lock_guard lock(mutex_);
      all = servers_;
    }
    bool some = false;
    for (const auto& one : all) {
      if (one->wants_look() && (cancelled == nullptr || !*cancelled)) {
        try {
          const time_limit limit = limit_of(config_.connect_seconds, cancelled);
          auto link = connect_sync(*one, limit);
          if (link->call({"PING"}, limit).is_failure()) one->failed(times());
          else {
            one->revived();
            one->give_back(std::move(link), config_.workers);
          }
        } catch (const link_fault&) {
          one->failed(times());
        }
      }
      some = some || !one->may_ask();
    }
    return some;
  }

  /// The slots should be read again: by whoever does refresh_sync.
  void want_slots() noexcept { wants_slots_ = true; }
  [[nodiscard]] bool wants_slots() const noexcept { return wants_slots_; }

  /// Asks one server after another for the slots, until one tells. False: none did; `why`: what the last said.
  bool refresh_sync(std::string* why = nullptr, const std::atomic<bool>* cancelled = nullptr)
  {
    wants_slots_ = false;
    std::vector<address> whom;
    {
      const std::lock_guard lock(mutex_);
      whom = slots_->masters();
      if (!whom.empty())
        std::rotate(whom.begin(), whom.begin() + static_cast<std::ptrdiff_t>(turn_++ % whom.size()), whom.end());
    }
    whom.insert(whom.end(), seeds_.begin(), seeds_.end());
    for (const address& where : whom) {
      if (cancelled != nullptr && *cancelled) return false;
      try {
        const time_limit limit = limit_of(config_.connect_seconds, cancelled);
        const auto to = server_named(where);
        if (!to->may_ask()) continue;
        std::unique_ptr<connection> asked = to->take_idle();
        if (asked == nullptr) asked = connect_sync(*to, limit);
        const reply answer = asked->call({"CLUSTER", "SLOTS"}, limit);
        if (answer.is_failure()) {
          if (why != nullptr) *why = to_string(where) + ": " + answer.text.substr(0, 120);
          continue;
        }
        auto read = read_slots(answer, where);
        if (!read) {
          if (why != nullptr) *why = to_string(where) + ": what it answers to CLUSTER SLOTS is none";
          continue;
        }
        to->give_back(std::move(asked), config_.workers);
        if (read->empty()) {
          if (why != nullptr) *why = to_string(where) + ": it serves no slots, and knows nobody who does";
          continue;
        }
        const std::lock_guard lock(mutex_);
        slots_ = std::make_shared<slot_map>(*std::move(read));
        ++counters_->topologies;
        return true;
      } catch (const link_fault& fault) {
        server_named(where)->failed(times());
        if (why != nullptr) *why = fault.what();
      }
    }
    return false;
  }

 private:
  /// The lock is held.
  [[nodiscard]] std::shared_ptr<server> server_at(const address& where)
  {
    for (const auto& one : servers_) {
      if (one->where() == where) return one;
    }
    constexpr std::size_t most_servers = 4096;  // a liar could name any number
    if (servers_.size() >= most_servers) servers_.erase(servers_.begin());
    servers_.push_back(std::make_shared<server>(where, servers_.size() + 1));
    return servers_.back();
  }

  redis_cluster_config config_;
  cluster_counters* counters_;
  tls_context tls_;
  std::vector<address> seeds_;
  std::atomic<bool> wants_slots_{false};
  mutable std::mutex mutex_;  // the rest
  std::shared_ptr<const slot_map> slots_ = std::make_shared<slot_map>();
  std::size_t turn_ = 0;
  std::vector<std::shared_ptr<server>> servers_;
};

}  // namespace kvstrata::redis
