// One I/O of a memory_store, and the faults that befall it.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/host_io.hpp>
#include <kvstrata/tiers/stores/record_io.hpp>
#include <kvstrata/tiers/stores/shelf.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// How bad a memory_store is. The same calls, on a device in virtual time, have the same outcomes for a seed.
struct memory_store_config
{
  std::uint32_t lanes = 2;
  std::uint32_t in_flight = 8;  ///< of a lane
  std::uint64_t seed = 1;
  double least_seconds = 0;        ///< in virtual time an I/O takes so long, or longer, ...
  double most_seconds = 0;         ///< ... up to this, by the seed: so those of a lane end out of order
  std::uint32_t lost_in = 0;       ///< of so many I/Os one is lost; 0: none
  std::uint32_t unknown_in = 0;    ///< of so many sequences one is not known without asking; 0: none, 1: all
  std::uint64_t silent_lanes = 0;  ///< bit l: lane l never answers
  bool overwrite_dropped =
      false;  ///< bytes of pages become zeros when nobody has them any more: not a record, nor an I/O

  friend void check(const memory_store_config& c)
  {
    if (c.least_seconds >= 0 && c.most_seconds >= c.least_seconds && std::isfinite(c.most_seconds)) return;
    throw config_error("memory_store.most_seconds", std::to_string(c.most_seconds),
                       "it must be finite, and at least least_seconds, which is " + std::to_string(c.least_seconds) +
                           " and must be at least 0");
  }
};

struct memory_io : record_io
{
  bool erased = false;       ///< its record was, meanwhile
  bool missing = false;      ///< there is no such record to get
  bool touches = true;       ///< the bytes: not where a device moves no data
  std::uint64_t number = 0;  ///< the shelf's, of a put
  record_shelf::page_list pages;

  [[nodiscard]] static constexpr std::uint64_t mix(std::uint64_t x) noexcept
  {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
  }

  /// Carries it out. What a lost get brings is not what was put.
  void run() noexcept
  {
    run_first();
    end();
  }
  void run_first() noexcept
  {
    if (what == kind::put && touches) {
      each_part([](io_piece piece, std::byte* stored) { std::memcpy(stored, piece.data, piece.bytes); });
    }
    if (what == kind::get && touches && !pages.empty()) {
      each_part([this](io_piece piece, const std::byte* stored) {
        if (outcome.done()) std::memcpy(piece.data, stored, piece.bytes);
        else std::memset(piece.data, 0xA5, piece.bytes);
      });
    }
  }

 private:
  template <class Visit>
  void each_part(Visit&& visit)
  {
    std::size_t page = 0;
    std::size_t at = 0;
    for (const io_piece& piece : pieces) {
      for (std::size_t done = 0; done < piece.bytes;) {
        std::vector<std::byte>& bytes = *pages[page];
        const std::size_t part = (std::min)(piece.bytes - done, bytes.size() - at);
        visit(io_piece{piece.data + done, part}, bytes.data() + at);
        done += part;
        at += part;
        if (at == bytes.size()) {
          ++page;
          at = 0;
        }
      }
    }
  }
};

/// What the seed says.
class memory_draws
{
 public:
  explicit memory_draws(std::uint64_t seed) noexcept : state_(memory_io::mix(seed)) {}

  [[nodiscard]] std::uint64_t below(std::uint64_t n) noexcept { return (state_ = memory_io::mix(state_)) % n; }
  [[nodiscard]] loss reason() noexcept
  {
    constexpr loss why[] = {loss::gone, loss::checksum, loss::io_error, loss::timeout};
    return why[below(4)];
  }
  [[nodiscard]] double seconds(const memory_store_config& c) noexcept
  {
    return c.least_seconds + (c.most_seconds - c.least_seconds) * static_cast<double>(below(1U << 20U)) / (1U << 20U);
  }

 private:
  std::uint64_t state_;
};

/// Faults that a test asks for.
struct memory_faults
{
  std::atomic<std::uint64_t> until_throw{0};  ///< 0: none
  std::atomic<std::uint64_t> until_loss{0};

  [[nodiscard]] static bool strikes(std::atomic<std::uint64_t>& until) noexcept
  {
    return until.load() != 0 && until.fetch_sub(1) == 1;
  }
};

}  // namespace kvstrata
