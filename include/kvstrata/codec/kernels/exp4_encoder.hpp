// exp4 by the threads of a block: values to codes (exp4_words.hpp).
#pragma once

#include <kvstrata/codec/kernels/exp4_words.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Phase 0 codes and counts escapes, 1 writes what was decided, 2 makes ready.
template <class Machine>
struct block_encoder<codec::exp4_coder, Machine> : exp4_words<Machine>
{
  using base = exp4_words<Machine>;
  using base::threads;
  using typename base::task_type;
  using typename base::unit;

  struct shared
  {
    std::uint8_t codes[256];        ///< [exponent]
    std::uint8_t escapes[threads];  ///< of a thread that has some
    std::uint32_t of_warp[threads / 32];
    std::uint32_t who[threads / 32];  ///< of a warp's threads, by bits, which have escapes
  };
  struct mine
  {
    quad codes;
    quad first, second;
    std::uint32_t escaped;  ///< which of the 32 values
  };

  static constexpr std::uint32_t phases = 3;

  static constexpr void set_up(const codec::exp4_coder& coder, std::uint32_t thread, shared& all)
  {
    all.codes[thread] = coder.table().codes[thread];
    make_ready(thread, all);
  }

  template <std::uint32_t Phase>
  static constexpr void phase(const task_type& task, std::uint32_t thread, mine& my, shared& all)
  {
    if constexpr (Phase == 0) classify(task, thread, my, all);
    else if constexpr (Phase == 1) write(task, thread, my, all);
    else make_ready(thread, all);
  }

 private:
  static constexpr void make_ready(std::uint32_t thread, shared& all)
  {
    if (thread >= threads / 32) return;
    all.of_warp[thread] = 0;
    all.who[thread] = 0;
  }

  static constexpr void classify(const task_type& task, std::uint32_t thread, mine& my, shared& all)
  {
    const unit& how = task.coder.unit(task.unit);
    my.escaped = 0;
    if (!task.piece.whole || thread >= how.groups()) return;
    const std::byte* const raw = task.piece.raw + task.coder.raw_at(task.unit);
    std::array<quad, 4> tops;
    base::load_tops(how, raw, thread, task.coder.table().exponents[1], tops);
    std::uint32_t codes[8], zeros[8], any = 0;
    unrolled<4>([&](auto word) {
      const quad& top = tops[word];
      unrolled<2>([&](auto i) {
        const std::uint32_t low = Machine::permute(top[2 * i], top[2 * i + 1], 0x6420);
        const std::uint32_t high = Machine::permute(top[2 * i], top[2 * i + 1], 0x7531);
        (word < 2 ? my.first : my.second)[word % 2 * 2 + i] = (high & 0x80808080) | (low & 0x7F7F7F7F);
        const std::uint32_t exponents = (high << 1 & 0xFEFEFEFE) | (low >> 7 & 0x01010101);
        const auto code_of = [&](std::uint32_t shift) {
          return std::uint32_t{all.codes[exponents >> shift & 0xFF]} << shift;
        };
        const std::uint32_t code = code_of(0) | code_of(8) | code_of(16) | code_of(24);
        codes[word * 2 + i] = code;
        zeros[word * 2 + i] = (0x10101010 - code) >> 4 & 0x01010101;  // of a code 0 the subtraction leaves bit 4
        any |= zeros[word * 2 + i];
      });
    });
    unrolled<4>([&](auto i) { my.codes[i] = codes[i] | codes[i + 4] << 4; });
    if (any == 0) return;
    std::uint32_t escapes = 0;
    unrolled<8>([&](auto i) {
      my.escaped |= (zeros[i] * 0x01020408 >> 24) << 4 * i;
      escapes += zeros[i] * 0x01010101 >> 24;
    });
    all.escapes[thread] = static_cast<std::uint8_t>(escapes);
    Machine::add(all.of_warp[thread / 32], escapes);
    Machine::set_bits(all.who[thread / 32], 1U << thread % 32);
  }

  static constexpr void write(const task_type& task, std::uint32_t thread, const mine& my, const shared& all)
  {
    const unit& how = task.coder.unit(task.unit);
    const std::byte* const raw = task.piece.raw + task.coder.raw_at(task.unit);
    std::byte* const code = task.piece.code + task.coder.code_at(task.unit);
    std::uint32_t escapes = 0, before = 0;
    for (std::uint32_t warp = 0; warp < threads / 32; ++warp) {
      if (warp == thread / 32) before = escapes;
      escapes += all.of_warp[warp];
    }
    if (!task.piece.whole || escapes > how.room) {
      if (thread == 0) base::store_long(code, how.head_of_raw());
      const bool kept = task.piece.elsewhere != nullptr;
      base::count(task, thread, {.raw = 1, .faults = kept ? 0U : 1U});
      if (kept) {
        copy_by_threads<Machine>(task.piece.elsewhere + task.coder.raw_at(task.unit), raw, how.raw_bytes(), thread,
                                 threads);
      }
      return;
    }

    if (thread < how.groups()) {
      store_quad<Machine>(code + how.plane_at(0, thread), my.codes);
      store_quad<Machine>(code + how.plane_at(1, thread), my.first);
      store_quad<Machine>(code + how.plane_at(2, thread), my.second);
      if (how.width == 4) base::copy_low(how, raw, thread, code);
    }
    if (thread < 3) {
      // The table as two long words; its bytes are of a constant that all threads share.
      std::uint64_t part = how.head_of_coded(escapes);
      if (thread > 0) {
        part = 0;
        for (std::uint32_t i = 0; i < 8; ++i) {
          part |= std::uint64_t{task.coder.table().exponents[thread * 8 - 8 + i]} << 8 * i;
        }
      }
      base::store_long(code + thread * 8, part);
    }
    for (std::uint32_t i = escapes + thread; i < how.room; i += threads) {
      base::store_half(code + unit::places_at + 2 * i, 0);
      base::store_byte(code + how.exponents_at() + i, 0);
    }
    const std::uint32_t behind = how.exponents_at() + how.room + thread;
    if (behind < how.head_bytes()) base::store_byte(code + behind, 0);
    if (my.escaped != 0) list(how, raw, code, thread, my, all, before);
  }

  /// Few threads have escapes: each finds out how many there are before its own.
  static constexpr void list(const unit& how, const std::byte* raw, std::byte* code, std::uint32_t thread,
                             const mine& my, const shared& all, std::uint32_t before)
  {
    const std::uint32_t who = all.who[thread / 32];
    for (std::uint32_t lane = 0; lane < thread % 32; ++lane) {
      if (who >> lane & 1) before += all.escapes[thread / 32 * 32 + lane];
    }
    std::uint32_t place = thread * 32;
    for (std::uint32_t left = my.escaped; left != 0; left >>= 1, ++place) {
      if ((left & 1) == 0) continue;
      const std::uint32_t top = base::load_half(raw + how.top_at(place));
      base::store_half(code + unit::places_at + 2 * before, place);
      base::store_byte(code + how.exponents_at() + before, top >> 7 & 0xFF);
      ++before;
    }
  }
};

}  // namespace kvstrata
