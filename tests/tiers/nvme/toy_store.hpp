// A store for virtual time that is as simple as can be: a log of records and erasures from the first block on, which is never
// used again, read from end to end when it is opened. It keeps its word; told to, it makes one of the mistakes that such
// stores make. For showing that tests see them.
#pragma once

#include "tiers/nvme/crash_check.hpp"
#include "tiers/nvme/memory_disk.hpp"
#include "tiers/nvme/toy_blocks.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme/io/medium_config.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct toy_store_config
{
  kvstrata::nvme::engine_maker engine{};
  toy_fault fault = toy_fault::none;
  bool done_is_durable = false;
};

class toy_store
{
 public:
  using device = kvstrata::emulated_device;

  toy_store(device& d, const toy_store_config& c) : device_(&d), config_(c), engine_(c.engine({}))
  {
    for (auto& lane : lanes_) lane = d.create_host_stream("toy");
    recover();
  }
  toy_store(const toy_store&) = delete;
  toy_store& operator=(const toy_store&) = delete;
  ~toy_store() { close(); }

  [[nodiscard]] kvstrata::found_record find(const kvstrata::sequence_key& key)
  {
    const joined all = join_all(key);
    if (closed_ || all.pages.empty()) return {};
    return {kvstrata::found_record::knowledge::present, all.header};
  }
  [[nodiscard]] std::optional<kvstrata::store_promise> ask(const kvstrata::sequence_key&)
  {
    return begin([](job&) {});
  }
  [[nodiscard]] std::optional<kvstrata::store_promise> put(const kvstrata::sequence_key& key,
                                                           const kvstrata::record_header& header,
                                                           std::span<const kvstrata::io_piece> from,
                                                           const kvstrata::fence& ready)
  {
    head mine{.kind = head::record, .order = ++orders_, .key = key, .header = header};
    for (const auto& piece : from) mine.bytes += piece.bytes;
    return begin([this, mine, pieces = std::vector(from.begin(), from.end())](job& j) { put_now(j, mine, pieces); },
                 ready);
  }
  [[nodiscard]] std::optional<kvstrata::store_promise> get(const kvstrata::sequence_key& key,
                                                           const kvstrata::record_header& header,
                                                           kvstrata::token_interval wanted,
                                                           std::span<const kvstrata::io_piece> into,
                                                           const kvstrata::fence& ready)
  {
    return begin([this, key, header, wanted,
                  pieces = std::vector(into.begin(), into.end())](job& j) { get_now(j, key, header, wanted, pieces); },
                 ready);
  }
  void erase(const kvstrata::sequence_key& key) noexcept
  {
    const head mine{.kind = head::erasure, .order = ++orders_, .key = key};
    forget(key, mine.order);
    erasures_.push_back(mine);
  }
  [[nodiscard]] std::optional<kvstrata::store_promise> flush()
  {
    return begin([this, number = erasures_.size()](job& j) { flush_now(j, number); });
  }
  [[nodiscard]] std::optional<kvstrata::store_outcome> poll(const kvstrata::store_promise& promise) noexcept
  {
    const auto at = jobs_.find(promise.number);
    if (at == jobs_.end()) return kvstrata::store_outcome{kvstrata::loss::closed};
    if (!device_->query(promise.point)) return std::nullopt;
    const kvstrata::store_outcome out{at->second->why};
    jobs_.erase(at);
    return out;
  }
  void give_up_sync(const kvstrata::store_promise& promise) noexcept
  {
    device_->wait_sync(promise.point);
    jobs_.erase(promise.number);
  }
  void close() noexcept
  {
    if (std::exchange(closed_, true)) return;
    for (const auto& [number, one] : jobs_) device_->wait_sync(one->point);
    job last;
    flush_now(last, erasures_.size());
  }

 private:
  using head = toy_head;

  static constexpr std::size_t block = kvstrata::nvme::block_bytes;
  static constexpr std::size_t head_at = sector_bytes - 56;  // of a block: in two sectors, so that it may be torn
  struct job
  {
    kvstrata::event point{};
    kvstrata::loss why = kvstrata::loss::none;
  };
  struct kept
  {
    head is{};
    std::uint64_t at = 0;  // its head's block
  };
  struct joined
  {
    kvstrata::record_header header{};
    std::vector<kept> pages;  // who gives each
  };
  [[nodiscard]] bool has(toy_fault fault) const noexcept { return config_.fault == fault; }

  template <class Work>
  std::optional<kvstrata::store_promise> begin(Work&& work, const kvstrata::fence& ready = {})
  {
    if (closed_ || jobs_.size() >= 10) return std::nullopt;
    const auto one = std::make_shared<job>();
    one->point = device_->promise(lanes_[numbers_ % lanes_.size()], {.label = "toy", .ready = ready});
    jobs_[++numbers_] = one;
    device_->complete_later(one->point, 1e-4 * static_cast<double>(numbers_ * 7 % 5), [work, one] { work(*one); });
    return kvstrata::store_promise{one->point, numbers_};
  }

  int move(kvstrata::nvme::block_io::kind what, std::uint64_t at, toy_bytes& bytes)
  {
    const kvstrata::nvme::memory_piece piece{bytes.data.get(), bytes.size};
    kvstrata::nvme::block_io io{what, at * block, {&piece, 1}, 0};
    engine_->run_sync({&io, 1});
    return io.error;
  }
  [[nodiscard]] int write_head(head mine, std::uint64_t at)
  {
    toy_bytes bytes(block);
    mine.sum = toy_sum_of(mine);
    std::memcpy(bytes.data.get() + head_at, &mine, sizeof mine);
    return move(kvstrata::nvme::block_io::kind::write, at, bytes);
  }

  void put_now(job& j, head mine, const std::vector<kvstrata::io_piece>& pieces)
  {
    toy_bytes body(mine.bytes);
    std::size_t done = 0;
    for (const auto& piece : pieces) {
      std::memcpy(body.data.get() + done, piece.data, piece.bytes);
      done += piece.bytes;
    }
    mine.body_sum = toy_sum_of(body.data.get(), body.size);
    if (has(toy_fault::forgets_the_header)) mine.header.vouched_hash = 0;
    std::uint64_t at = next_;
    const auto old = records_.find(mine.key);
    const bool in_place = has(toy_fault::overwrites_in_place) && old != records_.end() && !old->second.empty() &&
                          in_toy_blocks(old->second.back().is.bytes) == body.size;
    if (in_place) at = old->second.back().at;
    else next_ += 1 + body.size / block;
    if ((at + 1) * block + body.size > engine_->bytes()) return fail(j);
    if (config_.done_is_durable && has(toy_fault::done_before_written)) static_cast<void>(engine_->flush_sync());
    if (move(kvstrata::nvme::block_io::kind::write, at + 1, body) != 0 || write_head(mine, at) != 0) return fail(j);
    if (config_.done_is_durable && !has(toy_fault::done_before_written) && !flushes()) return fail(j);
    if (erased_[mine.key] > mine.order) j.why = kvstrata::loss::gone;
    else add({mine, at});
  }

  void get_now(job& j, const kvstrata::sequence_key& key, const kvstrata::record_header& header,
               kvstrata::token_interval wanted, const std::vector<kvstrata::io_piece>& into)
  {
    const joined all = join_all(key);
    if (all.pages.empty() || !same_life(all.header, header) || !all.header.tokens.contains(wanted)) {
      j.why = kvstrata::loss::gone;
      return;
    }
    std::vector<std::byte> out;
    const kvstrata::page_interval pages = pages_of(wanted, header.page_tokens);
    for (kvstrata::page_count p = pages.begin; p < pages.end; ++p) {
      const kept& from = all.pages[p - all.header.pages().begin];
      toy_bytes body(from.is.bytes);
      const bool read = move(kvstrata::nvme::block_io::kind::read, from.at + 1, body) == 0;
      if (!read || (!has(toy_fault::checks_no_bodies) && toy_sum_of(body.data.get(), body.size) != from.is.body_sum)) {
        j.why = read ? kvstrata::loss::checksum : kvstrata::loss::io_error;
        if (!has(toy_fault::never_ends_a_torn_get)) drop(from);
        return;
      }
      const std::size_t page_bytes = from.is.bytes / from.is.header.pages().size();
      const std::byte* const page = body.data.get() + (p - from.is.header.pages().begin) * page_bytes;
      out.insert(out.end(), page, page + page_bytes);
    }
    std::size_t done = 0;
    for (const auto& piece : into) {
      std::memcpy(piece.data, out.data() + done, piece.bytes);
      done += piece.bytes;
    }
  }

  void flush_now(job& j, std::size_t number)
  {
    if (has(toy_fault::flushes_no_erasures) && !flushes()) return fail(j);
    if (!has(toy_fault::writes_no_erasures)) {
      for (std::size_t i = written_erasures_; i < number; ++i) {
        if ((next_ + 1) * block > engine_->bytes() || write_head(erasures_[i], next_++) != 0) return fail(j);
      }
      written_erasures_ = (std::max)(written_erasures_, number);
    }
    if (has(toy_fault::forgets_to_flush) || has(toy_fault::flushes_no_erasures)) return;
    if (!flushes()) fail(j);
  }
  /// After an error nobody knows what of earlier writes is still on its way, whatever a later flush says.
  bool flushes()
  {
    const bool failed = engine_->flush_sync() != 0;
    unsure_ = failed || (unsure_ && !has(toy_fault::flushes_again));
    return !unsure_;
  }
  static void fail(job& j) { j.why = kvstrata::loss::io_error; }
  void add(const kept& one)
  {
    std::vector<kept>& mine = records_[one.is.key];
    const auto behind = std::find_if(mine.begin(), mine.end(), [&](const kept& k) {
      return !has(toy_fault::older_wins) && k.is.order > one.is.order;
    });
    mine.insert(behind, one);
  }
  void forget(const kvstrata::sequence_key& key, std::uint64_t order)
  {
    erased_[key] = (std::max)(erased_[key], order);
    std::erase_if(records_[key], [&](const kept& k) { return k.is.order < order; });
  }
  void drop(const kept& bad)
  {
    std::erase_if(records_[bad.is.key],
                  [&](const kept& k) { return has(toy_fault::drops_all_it_doubts) || k.at == bad.at; });
  }

  [[nodiscard]] joined join_all(const kvstrata::sequence_key& key)
  {
    joined out;
    for (const kept& one : records_[key]) {
      const kvstrata::record_union both = join(out.header, one.is.header);
      const kvstrata::page_interval before = out.header.pages();
      std::vector<kept> pages;
      const kvstrata::page_interval all = pages_of(both.tokens, one.is.header.page_tokens);
      for (kvstrata::page_count p = all.begin; p < all.end; ++p) {
        const bool is_fresh = p >= both.from_fresh.begin && p < both.from_fresh.end;
        pages.push_back(is_fresh ? one : out.pages[p - before.begin]);
      }
      out.pages.swap(pages);
      out.header = one.is.header;
      out.header.tokens = both.tokens;
    }
    return out;
  }

  void recover()
  {
    bool gap = false;
    for (std::uint64_t at = 0; at < engine_->bytes() / block;) {
      toy_bytes bytes(block);
      head mine;
      static_cast<void>(move(kvstrata::nvme::block_io::kind::read, at, bytes));
      std::memcpy(static_cast<void*>(&mine), bytes.data.get() + head_at, sizeof mine);
      const bool is_one = mine.kind == head::record || mine.kind == head::erasure;
      if (!is_one || (!has(toy_fault::checks_no_heads) && mine.sum != toy_sum_of(mine))) {
        if (has(toy_fault::stops_at_a_gap)) return;
        gap = true;
        ++at;
        continue;
      }
      orders_ = (std::max)(orders_, mine.order);
      if (mine.kind == head::erasure) forget(mine.key, mine.order);
      else if (mine.order > erased_[mine.key]) add({mine, at});
      at += 1 + (mine.kind == head::record ? in_toy_blocks(mine.bytes) / block : 0);
      if (!gap || !has(toy_fault::goes_on_in_a_gap)) next_ = at;
    }
  }

  device* device_;
  toy_store_config config_;
  std::unique_ptr<kvstrata::nvme::block_engine> engine_;
  std::array<kvstrata::stream_id, 2> lanes_{};
  bool closed_ = false;
  bool unsure_ = false;  // a flush has failed
  std::uint64_t numbers_ = 0;
  std::uint64_t orders_ = 0;
  std::uint64_t next_ = 0;  // block
  std::size_t written_erasures_ = 0;
  std::vector<head> erasures_;
  std::map<std::uint64_t, std::shared_ptr<job>> jobs_;
  std::map<kvstrata::sequence_key, std::vector<kept>, key_before> records_;
  std::map<kvstrata::sequence_key, std::uint64_t, key_before> erased_;
};

}  // namespace kvstrata_test
