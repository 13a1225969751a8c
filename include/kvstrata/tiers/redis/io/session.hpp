// Commands of one slot, carried out: pipelined within bounds, sent on where the slot has moved to, each of them a bounded
// number of times. What cannot be had now is lost, and nobody asks that server again before its time.
#pragma once

#include <kvstrata/tiers/redis/io/client.hpp>
#include <kvstrata/tiers/redis/io/command.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// For one thread. Connections go back in the end, unless they failed.
class session
{
 public:
  session(client& c, std::uint32_t slot, const time_limit& limit) : client_(&c), slot_(slot), limit_(limit) {}
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  ~session()
  {
    for (held& one : held_) {
      try {
        one.to->give_back(std::move(one.link), client_->config().workers);
      } catch (...) {  // no memory: it is closed
      }
    }
  }

  /// Called with each command that has been answered for good.
  using told = std::function<void(command&)>;

  /// `whole`: when one comes to nothing those behind it are of no use. loss::none: all are answered, and none is refused.
  [[nodiscard]] loss run(std::span<command* const> all, bool whole = false, const told& tell = nullptr)
  {
    std::vector<command*> open(all.begin(), all.end());
    std::shared_ptr<server> to = client_->server_of(slot_);
    bool asking = false;
    stopped_ = false;
    constexpr int most_hops = 4;
    for (int hop = 0; hop < most_hops; ++hop) {
      if (to == nullptr || !to->may_ask()) {
        ++client_->counters().away;
        client_->want_slots();
        return loss::timeout;
      }
      if (const loss lost = pump(*to, to, open, asking, whole, tell); lost != loss::none) return lost;
      std::vector<command*> left;
      for (command* const one : all) {
        if (one->is == command::state::redirected || one->is == command::state::open) left.push_back(one);
      }
      if (left.empty() || stopped_) return judged(all);
      ++client_->counters().redirections;
      const refusal_reply& first = left.front()->refused;
      if (left.front()->is == command::state::open || !first.where) break;
      asking = first.why == refusal::ask;
      if (!asking) client_->want_slots();
      to = client_->server_named(*first.where);
      // Those that go elsewhere are another round's.
      std::vector<command*> mine;
      for (command* const one : left) {
        const bool same =
            one->is == command::state::open || (one->refused.why == first.why && one->refused.where == first.where);
        if (same) mine.push_back(one);
      }
      for (command* const one : mine) one->is = command::state::open;
      open = std::move(mine);
    }
    client_->want_slots();
    ++client_->counters().refused;
    return loss::timeout;
  }

  /// Waits until a replica of each server that was written to has it. False: not all of those that have replicas do in time.
  [[nodiscard]] bool replicated_sync()
  {
    bool well = true;
    for (held& one : held_) {
      if (client_->replicas_of(one.to->where()) == 0) continue;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit_.until - clock::now()).count();
      small_command wait({"WAIT", "1", std::to_string((std::max)(std::int64_t{1}, std::int64_t{left} * 3 / 4))}, 64);
      command* const all[] = {&wait};
      const auto to = one.to;
      well = exchange(*to, one, all, false, false, nullptr) == loss::none && wait.is == command::state::done &&
             wait.number >= 1 && well;
      if (one.link == nullptr) break;
    }
    if (!well) ++client_->counters().unreplicated;
    held_.erase(std::remove_if(held_.begin(), held_.end(), [](const held& h) { return h.link == nullptr; }),
                held_.end());
    return well;
  }

 private:
  struct held
  {
    std::shared_ptr<server> to;
    std::unique_ptr<connection> link;
    bool used_before = false;  ///< it may have been closed meanwhile
  };

  [[nodiscard]] loss judged(std::span<command* const> all)
  {
    for (const command* const one : all) {
      if (one->is != command::state::refused) continue;
      cluster_counters& counters = client_->counters();
      switch (one->refused.why) {
        case refusal::full: ++counters.full; return loss::no_room;
        case refusal::denied: ++counters.denied; return loss::io_error;
        case refusal::other: ++counters.refused; return loss::io_error;
        default: ++counters.refused; return loss::timeout;
      }
    }
    return loss::none;
  }

  [[nodiscard]] held& link_to(const std::shared_ptr<server>& to)
  {
    for (held& one : held_) {
      if (one.to == to) return one;
    }
    std::unique_ptr<connection> link = to->take_idle();
    const bool used = link != nullptr;
    if (!used) link = client_->connect_sync(*to, limit_);
    held_.push_back({to, std::move(link), used});
    return held_.back();
  }

  [[nodiscard]] loss lost_by(const link_fault& fault) noexcept
  {
    cluster_counters& counters = client_->counters();
    switch (fault.why) {
      case link_fault::kind::timeout: ++counters.timeouts; return loss::timeout;
      case link_fault::kind::denied: ++counters.denied; return loss::io_error;
      case link_fault::kind::broken: break;
    }
    ++counters.broken;
    return loss::io_error;
  }

  [[nodiscard]] loss pump(server& at, const std::shared_ptr<server>& to, std::span<command* const> all, bool asking,
                          bool whole, const told& tell)
  {
    for (bool again = true;; again = false) {
      try {
        held& one = link_to(to);
        const bool used = one.used_before;
        answered_ = false;
        const loss lost = exchange(at, one, all, asking, whole, tell);
        const bool gone = one.link == nullptr;
        if (gone) held_.erase(held_.begin() + (&one - held_.data()));
        // It was closed while it was idle: that says nothing of the server.
        if (gone && used && again && !answered_ && lost == loss::io_error) continue;
        if (gone) {
          at.failed(client_->times());
          client_->want_slots();
        }
        return lost;
      } catch (const link_fault& fault) {  // there is no connection
        at.failed(client_->times());
        client_->want_slots();
        return lost_by(fault);
      }
    }
  }

  /// One connection, one pipeline.
  [[nodiscard]] loss exchange(server& at, held& link, std::span<command* const> all, bool asking, bool whole,
                              const told& tell)
  {
    const redis_cluster_config& config = client_->config();
    std::uint64_t under_way = 0;
    std::size_t sent = 0;
    std::size_t read = 0;
    bool stop = false;
    try {
      while (read < all.size()) {
        parts_.clear();
        // Refilled when half of it is over: fewer and longer sends, as each may wake the server.
        const bool refills = under_way <= config.connection_bytes / 2;
        while (refills && sent < all.size() && !stop) {
          command& next = *all[sent];
          next.prepare();
          const std::uint64_t bytes = next.bytes();
          if (under_way != 0 && under_way + bytes > config.connection_bytes) break;
          if (!at.begin(bytes, config.server_bytes, under_way == 0, limit_)) {
            if (under_way != 0) break;
            ++client_->counters().timeouts;
            return loss::timeout;
          }
          under_way += bytes;
          if (asking) parts_.push_back(part_of("*1\r\n$6\r\nASKING\r\n"));
          next.append(parts_);
          ++sent;
        }
        if (!parts_.empty()) link.link->send(parts_, limit_);
        if (read == sent) break;  // it was stopped
        if (asking && link.link->read_line(limit_).type != '+') link.link->fail("it answers to ASKING with no OK");
        command& one = *all[read];
        client_->counters().copied_bytes += one.read(*link.link, limit_);
        answered_ = true;
        ++read;
        at.over(one.bytes());
        under_way -= one.bytes();
        stop = stop || note(one, whole);
        if (one.is != command::state::redirected && tell) tell(one);
      }
    } catch (const link_fault& fault) {
      at.over(under_way);
      link.link = nullptr;
      ++client_->counters().dropped_connections;
      return lost_by(fault);
    } catch (...) {
      at.over(under_way);
      link.link = nullptr;
      throw;
    }
    at.answered();
    if (backs_off_) {
      at.failed(client_->times());
      client_->want_slots();
      backs_off_ = false;
    }
    return loss::none;
  }

  /// True: nothing more is to be sent here.
  [[nodiscard]] bool note(const command& one, bool whole) noexcept
  {
    using state = command::state;
    switch (one.is) {
      case state::redirected: return one.refused.why == refusal::moved;
      case state::refused:
        stopped_ = true;
        // The server itself has nothing for anybody.
        backs_off_ = backs_off_ || one.refused.why == refusal::loading || one.refused.why == refusal::readonly ||
                     one.refused.why == refusal::down || one.refused.why == refusal::denied;
        return true;
      case state::missing:
      case state::foreign:
      case state::older:
      case state::damaged: stopped_ = stopped_ || whole; return whole;
      case state::open:
      case state::done: break;
    }
    return false;
  }

  client* client_;
  std::uint32_t slot_;
  time_limit limit_;
  std::vector<held> held_;
  std::vector<::iovec> parts_;
  bool answered_ = false;
  bool stopped_ = false;
  bool backs_off_ = false;
};

}  // namespace kvstrata::redis
