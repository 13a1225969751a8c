// What a process that may be killed at any moment tells another of its calls, before and after each: a row of fixed messages
// over a pipe, each whole or not there. From those that came an oracle follows.
#pragma once

#include "tiers/nvme/crash_oracle.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <type_traits>
#include <utility>

#include <unistd.h>

namespace kvstrata_test {

struct crash_message
{
  enum class kind : std::uint32_t {
    opened,
    put_begins,
    put_done,
    put_lost,
    erase_begins,
    erase_done,
    flush_begins,
    flush_done,
    flush_lost,
    get_lost,
    wrong,  ///< a get brought other bytes than were put
    ended,
  };

  kind what = kind::opened;
  std::uint32_t thread = 0;
  std::uint64_t call = 0;  ///< the thread's own number of it
  kvstrata::sequence_key key{};
  kvstrata::record_header header{};
};
static_assert(std::is_trivially_copyable_v<crash_message> && sizeof(crash_message) <= 512);  // PIPE_BUF: none is torn

/// Blocks until the pipe has it: what comes behind it happens later. False: nobody listens.
inline bool tell(int pipe, const crash_message& message)
{
  for (;;) {
    const ssize_t written = ::write(pipe, &message, sizeof message);
    if (written == static_cast<ssize_t>(sizeof message)) return true;
    if (written < 0 && errno == EINTR) continue;
    return false;
  }
}

/// Hears messages, and tells an oracle. Of a process that is killed the kernel keeps what it had been given, so here a put is
/// as good as durable when it is done; an erasure when a flush that began behind it is.
class crash_listener
{
 public:
  explicit crash_listener(crash_oracle& oracle) : oracle_(&oracle) {}

  void hear(const crash_message& m)
  {
    const auto mark = static_cast<log_mark>(heard_++);
    const std::pair call{m.thread, m.call};
    using kind = crash_message::kind;
    switch (m.what) {
      case kind::put_begins: calls_[call] = {oracle_->put_begins(m.key, m.header, mark), 0}; break;
      case kind::put_done:
        oracle_->put_is_over(m.key, calls_[call].call, true, true, mark);
        calls_.erase(call);
        break;
      case kind::put_lost:
        ++lost_;
        oracle_->put_is_over(m.key, calls_[call].call, false, false, mark);
        calls_.erase(call);
        break;
      case kind::erase_begins:
        ++erasures_;
        calls_[call] = {oracle_->erase_begins(m.key, mark), 0};
        break;
      case kind::erase_done:
        oracle_->erase_is_over(m.key, calls_[call].call);
        calls_.erase(call);
        break;
      case kind::flush_begins: calls_[call] = {0, oracle_->flush_begins()}; break;
      case kind::flush_done:
        ++flushes_;
        oracle_->flushed(calls_[call].flush, mark);
        calls_.erase(call);
        break;
      case kind::flush_lost: calls_.erase(call); break;
      case kind::get_lost: oracle_->get_lost(m.key, mark); break;
      case kind::wrong: ++wrong_; break;
      case kind::opened: opened_ = true; break;
      case kind::ended: ended_ = true; break;
    }
  }

  [[nodiscard]] log_mark heard() const noexcept { return static_cast<log_mark>(heard_); }
  [[nodiscard]] bool has_opened() const noexcept { return opened_; }
  [[nodiscard]] bool has_ended() const noexcept { return ended_; }
  [[nodiscard]] std::uint64_t wrong() const noexcept { return wrong_; }
  [[nodiscard]] std::uint64_t lost_puts() const noexcept { return lost_; }
  [[nodiscard]] std::uint64_t erasures() const noexcept { return erasures_; }
  [[nodiscard]] std::uint64_t flushes() const noexcept { return flushes_; }
  [[nodiscard]] std::size_t under_way() const noexcept { return calls_.size(); }

 private:
  struct open_call
  {
    crash_oracle::call_id call = 0;
    std::uint64_t flush = 0;
  };

  crash_oracle* oracle_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, open_call> calls_;
  std::uint64_t heard_ = 0, wrong_ = 0, lost_ = 0, erasures_ = 0, flushes_ = 0;
  bool opened_ = false, ended_ = false;
};

}  // namespace kvstrata_test
