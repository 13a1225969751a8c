// The process that is killed: several threads put, erase, rewrite, get and flush, and say so over a pipe before and after.
#pragma once

#include "tiers/nvme/crash_check.hpp"
#include "tiers/nvme/crash_messages.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme/io/thread_engine.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace kvstrata_test {

using crash_store = kvstrata::nvme_file<>::on<kvstrata::emulated_device>;

/// One life of a writer. Bounded, whether it is killed or not.
struct crash_writer_config
{
  std::string path;
  std::uint64_t bytes = 0;
  std::uint64_t seed = 1;
  std::uint32_t threads = 3;
  std::uint32_t keys_of_a_thread = 12;
  std::uint32_t calls_of_a_thread = 150;
  std::uint64_t kill_at_io = 0;  ///< it kills itself at so-maniest call to its engine; 0: somebody else may
  bool durable = false;          ///< puts are done when they are durable
  record_shape shape{.page_tokens = 4, .token_bytes = 256};
};

/// Kills the process at one of its calls: before it, in the midst of its I/Os, or behind it.
class killing_engine final : public kvstrata::nvme::block_engine
{
 public:
  killing_engine(std::unique_ptr<kvstrata::nvme::block_engine> engine, std::uint64_t at)
      : engine_(std::move(engine)), at_(at)
  {
  }

  void run_sync(std::span<kvstrata::nvme::block_io> ios) noexcept override
  {
    const bool now = ++calls_ == at_;
    if (now && at_ % 3 == 0) die();
    if (now && at_ % 3 == 1) {
      engine_->run_sync(ios.first(ios.size() / 2));
      die();
    }
    engine_->run_sync(ios);
    if (now) die();
  }
  [[nodiscard]] int flush_sync() noexcept override
  {
    const bool now = ++calls_ == at_;
    if (now && at_ % 2 == 0) die();
    const int out = engine_->flush_sync();
    if (now) die();
    return out;
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept override { return engine_->bytes(); }
  [[nodiscard]] kvstrata::nvme::memory_alignment alignment() const noexcept override { return engine_->alignment(); }
  [[nodiscard]] std::string_view name() const noexcept override { return engine_->name(); }
  [[nodiscard]] kvstrata::nvme::engine_figures figures() const noexcept override { return engine_->figures(); }

 private:
  static void die() noexcept
  {
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
  }

  std::unique_ptr<kvstrata::nvme::block_engine> engine_;
  std::uint64_t at_;
  std::atomic<std::uint64_t> calls_{0};
};

[[nodiscard]] inline kvstrata::nvme_file_config crash_file(const crash_writer_config& c)
{
  kvstrata::nvme_file_config out;
  out.paths = {c.path};
  out.bytes = c.bytes;
  out.region_bytes = 256U << 10U;
  out.chunk_bytes = 16U << 10U;
  out.layers = 2;
  out.workers = 3;
  out.lanes = 3;
  out.in_flight = 8;
  out.depth = 8;
  out.direct = c.seed % 2 == 0;
  out.most_records = 1U << 16U;
  if (c.durable) out.done_when = kvstrata::put_done::durable;
  if (c.kill_at_io != 0) {
    out.engine = [at = c.kill_at_io](const kvstrata::nvme::medium_config& medium) {
      return std::make_unique<killing_engine>(kvstrata::nvme::make_thread_engine(medium), at);
    };
  }
  return out;
}

/// One of the threads. Its sequences are its own, so that their calls have an order; it reads everybody's.
class crash_writer_thread
{
 public:
  crash_writer_thread(kvstrata::emulated_device& d, crash_store& s, const crash_writer_config& c, std::uint32_t number,
                      int pipe)
      : device_(&d),
        store_(&s),
        config_(c),
        number_(number),
        pipe_(pipe),
        random_(c.seed * 101 + number),
        memory_(d.allocate_pinned(slots * slot_pages * c.shape.page_bytes(), "writer")),
        prober_(d, s, c.shape)
  {
    for (std::size_t i = 0; i < slots; ++i) free_slots_.push_back(i);
  }

  void run()
  {
    for (std::uint32_t i = 0; i < config_.calls_of_a_thread; ++i) step();
    while (!open_.empty()) end_one();
  }

 private:
  static constexpr std::size_t slots = 4;
  static constexpr std::size_t slot_pages = 10;

  struct open_call
  {
    crash_message about;
    kvstrata::store_promise promise;
    std::size_t slot = slots;  // slots: none
  };

  [[nodiscard]] std::uint64_t below(std::uint64_t n) { return random_() % n; }
  void say(crash_message m, crash_message::kind what)
  {
    m.what = what;
    m.thread = number_;
    if (!tell(pipe_, m)) ::_exit(3);
  }
  [[nodiscard]] kvstrata::sequence_key key_of(std::uint32_t thread)
  {
    const std::uint64_t id = thread + config_.threads * below(config_.keys_of_a_thread);
    return {.space = static_cast<std::uint32_t>(id % 5 == 0 ? 2 : 0), .id = id};
  }

  void step()
  {
    if (free_slots_.empty() || below(6) == 0) end_one();
    switch (below(16)) {
      case 0: return flush();
      case 1: return erase(key_of(number_));
      case 2:
      case 3: return get(key_of(static_cast<std::uint32_t>(below(config_.threads))));
      default: return put(key_of(number_));
    }
  }

  void put(const kvstrata::sequence_key& key)
  {
    if (free_slots_.empty()) return;
    const auto met = newest_.find(key);
    kvstrata::record_header header;
    if (met != newest_.end()) header = met->second;
    else if (const auto found = store_->find(key); found.is == kvstrata::found_record::knowledge::present) {
      header = found.header;
    }
    const std::uint64_t way = below(12);
    const bool is_new = header.tokens.empty() || way == 0;
    if (is_new) {
      header = {};
      header.incarnation = kvstrata::incarnation_id{random_()};
      header.epoch = kvstrata::epoch_id{1 + below(2)};
      header.format = kvstrata::kv_format{5};
      header.page_tokens = config_.shape.page_tokens;
    } else if (way == 1) {
      header.epoch = kvstrata::epoch_id{to_number(header.epoch) + 1};
      header.tokens = {};
    }
    const kvstrata::token_interval had = header.tokens;
    kvstrata::token_count begin = had.end - had.end % config_.shape.page_tokens;
    if (way == 2) begin = had.begin;  // rewritten
    header.tokens = {begin, begin + 1 + static_cast<kvstrata::token_count>(below(4 * (slot_pages - 2)))};
    if (header.tokens.end > 600) return erase(key);
    header.vouched_tokens = header.tokens.end;
    header.vouched_hash = random_();
    const std::size_t slot = free_slots_.back();
    std::byte* const at = memory_.data() + slot * slot_pages * config_.shape.page_bytes();
    write_record(at, config_.shape, key, header);
    const kvstrata::io_piece piece{at, header.pages().size() * config_.shape.page_bytes()};
    const crash_message about{.call = ++calls_, .key = key, .header = header};
    say(about, crash_message::kind::put_begins);
    const auto promise = store_->put(key, header, {&piece, 1}, {});
    if (!promise) return say(about, crash_message::kind::put_lost);
    free_slots_.pop_back();
    open_.push_back({about, *promise, slot});
    kvstrata::record_header all = header;
    all.tokens = hull(had, header.tokens);
    newest_[key] = all;
  }

  void erase(const kvstrata::sequence_key& key)
  {
    const crash_message about{.call = ++calls_, .key = key};
    say(about, crash_message::kind::erase_begins);
    store_->erase(key);
    say(about, crash_message::kind::erase_done);
    newest_[key] = {};
  }

  void flush()
  {
    const crash_message about{.what = crash_message::kind::flush_begins, .call = ++calls_};
    say(about, crash_message::kind::flush_begins);
    const auto promise = store_->flush();
    if (!promise) return say(about, crash_message::kind::flush_lost);
    open_.push_back({about, *promise, slots});
  }

  void get(const kvstrata::sequence_key& key)
  {
    const auto found = store_->find(key);
    if (found.is != kvstrata::found_record::knowledge::present) return;
    const std::size_t pages = found.header.pages().size();
    const kvstrata::token_interval wanted =
        pages <= 200 ? found.header.tokens
                     : kvstrata::token_interval{found.header.tokens.end - 100, found.header.tokens.end};
    bool shows = false;
    try {
      if (prober_.get(key, found.header, wanted, shows).done() && !shows) {
        say({.key = key, .header = found.header}, crash_message::kind::wrong);
      }
    } catch (const kvstrata::error&) {  // no room for it just now
    }
  }

  void end_one()
  {
    if (open_.empty()) return;
    const open_call one = open_.front();
    open_.pop_front();
    device_->wait_sync(one.promise.point);
    const auto out = store_->poll(one.promise);
    const bool done = out && out->done();
    if (one.slot == slots) {
      return say(one.about, done ? crash_message::kind::flush_done : crash_message::kind::flush_lost);
    }
    free_slots_.push_back(one.slot);
    say(one.about, done ? crash_message::kind::put_done : crash_message::kind::put_lost);
  }

  kvstrata::emulated_device* device_;
  crash_store* store_;
  crash_writer_config config_;
  std::uint32_t number_;
  int pipe_;
  std::mt19937_64 random_;
  kvstrata::emulated_device::memory memory_;
  store_prober<crash_store, kvstrata::emulated_device> prober_;
  std::vector<std::size_t> free_slots_;
  std::deque<open_call> open_;
  std::map<kvstrata::sequence_key, kvstrata::record_header, key_before> newest_;
  std::uint64_t calls_ = 0;
};

/// The whole of a writer's process; its end is its return value.
[[nodiscard]] inline int write_until_killed(const crash_writer_config& c, int pipe)
{
  kvstrata::emulated_device d;
  crash_store store(d, crash_file(c));
  if (!tell(pipe, {.what = crash_message::kind::opened})) return 3;
  std::vector<std::thread> crowd;
  for (std::uint32_t t = 0; t < c.threads; ++t) {
    crowd.emplace_back([&, t] { crash_writer_thread(d, store, c, t, pipe).run(); });
  }
  for (std::thread& one : crowd) one.join();
  // A clean end, half of the time: then everything is as durable as it was, and reopened from tables.
  if (c.seed % 2 == 0) store.close();
  if (!tell(pipe, {.what = crash_message::kind::ended})) return 3;
  return 0;
}

}  // namespace kvstrata_test
