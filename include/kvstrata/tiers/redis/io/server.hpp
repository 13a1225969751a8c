// A server of the cluster as this client knows it: idle connections, what is under way to it, and whether it is left alone.
#pragma once

#include <kvstrata/tiers/redis/books/figures.hpp>
#include <kvstrata/tiers/redis/io/connection.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Safe to use from several threads.
class server
{
 public:
  server(address where, std::uint64_t seed) : where_(std::move(where)), back_off_(seed) {}

  [[nodiscard]] const address& where() const noexcept { return where_; }

  /// Not while it is left alone: until somebody who waits for nothing found that it answers again.
  [[nodiscard]] bool may_ask() const
  {
    const std::lock_guard lock(mutex_);
    return !left_alone_;
  }
  /// It is left alone, and the time to look whether it answers has come.
  [[nodiscard]] bool wants_look() const
  {
    const std::lock_guard lock(mutex_);
    return left_alone_ && back_off_.may_ask(clock::now());
  }
  /// It answers.
  void revived()
  {
    const std::lock_guard lock(mutex_);
    left_alone_ = false;
  }
  void failed(const back_off_times& times)
  {
    const std::lock_guard lock(mutex_);
    back_off_.failed(clock::now(), times);
    left_alone_ = true;
    idle_.clear();  // they are of no more use than the one that failed
  }
  void answered()
  {
    const std::lock_guard lock(mutex_);
    back_off_.answered();
    left_alone_ = false;
  }

  /// Null: there is none.
  [[nodiscard]] std::unique_ptr<connection> take_idle()
  {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      std::unique_ptr<connection> out = std::move(idle_.back());
      idle_.pop_back();
      if (out->is_idle()) return out;
    }
    return nullptr;
  }
  void give_back(std::unique_ptr<connection> one, std::size_t most)
  {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < most) idle_.push_back(std::move(one));
  }

  /// Bytes are under way from here on, and until they are over; whoever has none under way waits for room. False: the time is over.
  [[nodiscard]] bool begin(std::uint64_t bytes, std::uint64_t most, bool may_wait, const time_limit& limit)
  {
    std::unique_lock lock(mutex_);
    while (under_way_ != 0 && under_way_ + bytes > most) {
      if (!may_wait || limit.is_over()) return false;
      room_.wait_for(lock, std::chrono::milliseconds(limit.slice()));
    }
    under_way_ += bytes;
    return true;
  }
  void over(std::uint64_t bytes) noexcept
  {
    {
      const std::lock_guard lock(mutex_);
      under_way_ -= bytes;
    }
    room_.notify_all();
  }

 private:
  address where_;
  mutable std::mutex mutex_;  // the rest
  std::condition_variable room_;
  back_off back_off_;
  bool left_alone_ = false;
  std::uint64_t under_way_ = 0;
  std::vector<std::unique_ptr<connection>> idle_;
};

}  // namespace kvstrata::redis
