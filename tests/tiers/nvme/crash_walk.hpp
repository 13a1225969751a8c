// Random use of a store in virtual time, noted by an oracle: puts that extend, overlap, leave a gap, begin a new life or a new
// epoch; erasures, flushes, gets, questions after durable tokens.
#pragma once

#include "tiers/nvme/crash_check.hpp"
#include "tiers/nvme/crash_oracle.hpp"
#include "tiers/nvme/memory_disk.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct walk_config
{
  std::uint64_t seed = 1;
  std::uint32_t keys = 5;
  kvstrata::token_count most_tokens = 160;  ///< of a sequence
  kvstrata::token_count most_put = 24;      ///< that a put has
  kvstrata::page_count pages_of_a_record = 1000;
  std::uint32_t flush_in = 8;   ///< one step in so many
  std::uint32_t erase_in = 10;  ///< one step in so many; 0: none
  bool done_is_durable = false;
  bool may_lose = false;   ///< faults are on their way: puts and gets may be lost
  bool may_evict = false;  ///< the store is small
  record_shape shape{};
};

/// Nobody gives one twice.
[[nodiscard]] inline kvstrata::incarnation_id next_life(std::mt19937_64& random)
{
  return kvstrata::incarnation_id{random()};
}

template <class Store>
class crash_walk
{
 public:
  using device = kvstrata::emulated_device;

  crash_walk(device& d, Store& s, const memory_disk& disk, crash_oracle& oracle, const walk_config& c)
      : device_(&d),
        store_(&s),
        disk_(&disk),
        oracle_(&oracle),
        config_(c),
        random_(c.seed),
        prober_(d, s, c.shape),
        slot_pages_(c.most_put / c.shape.page_tokens + 2),
        memory_(d.allocate_pinned(slots * slot_pages_ * c.shape.page_bytes(), "walk"))
  {
    for (std::size_t i = 0; i < slots; ++i) free_slots_.push_back(i);
  }

  /// What was wrong is in report().
  void steps(std::size_t count)
  {
    for (std::size_t i = 0; i < count && report_.faults() == 0; ++i) {
      try {
        step();
      } catch (const std::exception& thrown) {
        report_.say(report_.misbehaved, std::string("a call threw: ") + thrown.what());
      }
      listen();
    }
  }

  /// Ends what is under way and closes the store. Afterwards all that was done is durable.
  void close()
  {
    const std::uint64_t begun = oracle_->flush_begins();
    store_->close();
    if (!config_.may_lose) oracle_->flushed(begun, mark());
    listen();
    if (config_.may_lose) oracle_->doubt_the_rest();
    if (!open_.empty()) report_.say(report_.misbehaved, "a closed store leaves promises open");
  }
  /// Waits for all that is under way.
  void drain()
  {
    while (!open_.empty()) {
      device_->wait_sync(open_.front().promise.point);
      const std::size_t before = open_.size();
      listen();
      if (open_.size() == before) {
        report_.say(report_.misbehaved, "a promise is over, and its outcome is not told");
        return;
      }
    }
  }
  /// A flush, waited for.
  void flush()
  {
    begin_flush();
    drain();
  }

  [[nodiscard]] const check_report& report() const noexcept { return report_; }
  [[nodiscard]] check_report& report() noexcept { return report_; }

 private:
  static constexpr std::size_t slots = 12;

  struct open_call
  {
    enum class kind : std::uint8_t { put, flush };

    kind what = kind::put;
    kvstrata::store_promise promise;
    kvstrata::sequence_key key{};
    crash_oracle::call_id call = 0;
    std::uint64_t begun = 0;  // a flush
    std::size_t slot = 0;
  };
  struct live_sequence
  {
    kvstrata::record_header newest{};  // with the tokens of all puts of its life
    bool lives = false;
  };

  [[nodiscard]] std::uint64_t below(std::uint64_t n) { return random_() % n; }
  [[nodiscard]] log_mark mark() const { return static_cast<log_mark>(disk_->mark()); }
  [[nodiscard]] std::byte* slot(std::size_t i) { return memory_.data() + i * slot_pages_ * config_.shape.page_bytes(); }

  void step()
  {
    const kvstrata::sequence_key key{.space = static_cast<std::uint32_t>(below(4) == 0 ? 3 : 0),
                                     .id = below(config_.keys)};
    if (below(config_.flush_in) == 0) return begin_flush();
    if (config_.erase_in != 0 && below(config_.erase_in) == 0) return erase(key);
    switch (below(8)) {
      case 0: return device_->advance_host(1e-5 * static_cast<double>(below(100)));
      case 1: return get(key);
      case 2: return drain();
      case 3: return ask_durable(key);
      default: return put(key);
    }
  }

  /// Of a sequence that this walk has not met: what the store has of it.
  [[nodiscard]] live_sequence known(const kvstrata::sequence_key& key)
  {
    const auto at = sequences_.find(key);
    if (at != sequences_.end()) return at->second;
    if (store_->find(key).is == kvstrata::found_record::knowledge::unknown) drain();  // there must be room to ask
    const auto found = prober_.find(key);
    return found ? live_sequence{*found, true} : live_sequence{};
  }

  void put(const kvstrata::sequence_key& key)
  {
    if (free_slots_.empty()) return drain();
    live_sequence mine = known(key);
    const kvstrata::token_count page = config_.shape.page_tokens;
    kvstrata::record_header header = mine.newest;
    const std::uint64_t way = below(16);
    if (!mine.lives || way == 0) {  // a new life
      header = {};
      header.incarnation = next_life(random_);
      header.epoch = kvstrata::epoch_id{1 + below(3)};
      header.format = kvstrata::kv_format{77};
      header.page_tokens = page;
      header.first_token = static_cast<kvstrata::token_count>(below(100));
    } else if (way == 1) {
      header.epoch = kvstrata::epoch_id{to_number(header.epoch) + 1};
      header.tokens = {};
    }
    const kvstrata::token_interval had = header.tokens;
    kvstrata::token_count begin =
        had.empty() ? page * static_cast<kvstrata::token_count>(below(3)) : had.end - had.end % page;
    if (!had.empty() && way == 2) begin += 2 * page;  // a gap
    if (!had.empty() && way == 3) begin = had.begin;  // all of it once more
    if (!had.empty() && way == 4 && had.begin >= page) begin = had.begin - had.begin % page - page;  // before it
    const kvstrata::token_interval tokens{begin,
                                          begin + 1 + static_cast<kvstrata::token_count>(below(config_.most_put))};
    if (tokens.end > config_.most_tokens) return erase(key);
    header.tokens = tokens;
    header.vouched_tokens = tokens.end;
    header.vouched_hash = random_();
    const std::size_t at = free_slots_.back();
    write_record(slot(at), config_.shape, key, header);
    const log_mark began = mark();
    const auto promise = store_->put(key, header, pieces(slot(at), header.pages().size()), {});
    if (!promise) return drain();
    free_slots_.pop_back();
    const auto call = oracle_->put_begins(key, header, began);
    open_.push_back({open_call::kind::put, *promise, key, call, 0, at});
    mine.lives = true;
    mine.newest = header;
    mine.newest.tokens = joinable(had, tokens) ? hull(had, tokens) : tokens;
    sequences_[key] = mine;
  }

  [[nodiscard]] std::vector<kvstrata::io_piece> pieces(std::byte* at, kvstrata::page_count pages)
  {
    std::vector<kvstrata::io_piece> out;
    const std::size_t all = pages * config_.shape.page_bytes();
    const bool uneven = below(3) == 0;
    for (std::size_t done = 0; done < all;) {
      const std::size_t part = (std::min)(all - done, uneven ? 40 + below(500) : all);
      out.push_back({at + done, part});
      done += part;
    }
    return out;
  }

  void erase(const kvstrata::sequence_key& key)
  {
    const auto call = oracle_->erase_begins(key, mark());
    store_->erase(key);
    oracle_->erase_is_over(key, call);
    sequences_[key] = {};
  }

  void begin_flush()
  {
    const std::uint64_t begun = oracle_->flush_begins();
    const auto promise = store_->flush();
    if (!promise) return drain();
    open_.push_back({open_call::kind::flush, *promise, {}, 0, begun, 0});
  }

  void get(const kvstrata::sequence_key& key)
  {
    drain();
    if (config_.may_lose) {
      const auto found = prober_.find(key);
      if (!found) return;
      bool shows = false;
      const auto out = prober_.get(key, *found, found->tokens, shows);
      if (!out.done()) oracle_->get_lost(key, mark());
      else if (!shows) report_.say(report_.wrong_bytes, "sequence " + text_of(key) + " has wrong bytes");
      return;
    }
    prober_.check(key, *oracle_, oracle_->now(key), report_, config_.may_evict);
  }

  void ask_durable(const kvstrata::sequence_key& key)
  {
    if constexpr (requires { store_->durable_tokens(key); }) {
      if (!config_.may_evict) oracle_->durable_until(key, store_->durable_tokens(key), mark());
    }
  }

  /// Hears what has become of what is under way.
  void listen()
  {
    for (std::size_t i = 0; i < open_.size();) {
      const auto out = store_->poll(open_[i].promise);
      if (!out) {
        ++i;
        continue;
      }
      const open_call one = open_[i];
      open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
      if (one.what == open_call::kind::put) {
        free_slots_.push_back(one.slot);
        oracle_->put_is_over(one.key, one.call, out->done(), config_.done_is_durable, mark());
        if (!out->done() && out->why != kvstrata::loss::gone && out->why != kvstrata::loss::closed &&
            !config_.may_lose && !config_.may_evict) {
          report_.say(report_.misbehaved, "a put is lost: " + std::string(name_of(out->why)));
        }
      } else if (out->done()) {
        oracle_->flushed(one.begun, mark());
      } else {
        oracle_->doubt_the_rest();  // whoever was told so knows that what was done is not sure
      }
    }
  }

  device* device_;
  Store* store_;
  const memory_disk* disk_;
  crash_oracle* oracle_;
  walk_config config_;
  std::mt19937_64 random_;
  store_prober<Store, device> prober_;
  std::size_t slot_pages_;
  device::memory memory_;
  std::vector<std::size_t> free_slots_;
  std::vector<open_call> open_;
  std::map<kvstrata::sequence_key, live_sequence, key_before> sequences_;
  check_report report_;
};

}  // namespace kvstrata_test
