// exp4 by the threads of a block: codes to values (exp4_words.hpp).
#pragma once

#include <kvstrata/codec/kernels/exp4_words.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Phase 0 reads the code and checks it, 1 writes the values, 2 the exponents of escapes.
template <class Machine>
struct block_decoder<codec::exp4_coder, Machine> : exp4_words<Machine>
{
  using base = exp4_words<Machine>;
  using base::threads;
  using typename base::task_type;
  using typename base::unit;

  struct shared
  {
    std::uint32_t escapes;  ///< codes 0
    std::uint32_t faults;
  };
  struct mine
  {
    quad codes, first, second;
    quad table;             // of the code itself: the one that serves now may be another
    std::uint32_t escapes;  ///< that the head tells
    bool is_sound;
  };

  static constexpr std::uint32_t phases = 3;

  static constexpr void set_up(const codec::exp4_coder&, std::uint32_t thread, shared& all)
  {
    if (thread == 0) all = {0, 0};
  }

  template <std::uint32_t Phase>
  static constexpr void phase(const task_type& task, std::uint32_t thread, mine& my, shared& all)
  {
    if constexpr (Phase == 0) read(task, thread, my, all);
    else if constexpr (Phase == 1) write(task, thread, my, all);
    else mend(task, thread, my, all);
  }

 private:
  static constexpr void read(const task_type& task, std::uint32_t thread, mine& my, shared& all)
  {
    const unit& how = task.coder.unit(task.unit);
    const std::byte* const code = task.piece.code + task.coder.code_at(task.unit);
    my.escapes = how.escapes_of(base::load_long(code));
    if (my.escapes > how.room) return;
    unrolled<2>([&](auto i) {
      const std::uint64_t half = base::load_long(code + unit::table_at + 8 * i);
      my.table[2 * i] = static_cast<std::uint32_t>(half);
      my.table[2 * i + 1] = static_cast<std::uint32_t>(half >> 32);
    });
    if (thread < how.groups()) {
      my.codes = load_quad<Machine>(code + how.plane_at(0, thread));
      my.first = load_quad<Machine>(code + how.plane_at(1, thread));
      my.second = load_quad<Machine>(code + how.plane_at(2, thread));
      std::uint32_t escapes = 0;
      unrolled<4>([&](auto i) {
        std::uint32_t any = my.codes[i] | my.codes[i] >> 2;
        any = ~(any | any >> 1) & 0x11111111;  // of every half byte, whether it is 0
        escapes += any * 0x11111111 >> 28;
      });
      if (escapes != 0) Machine::add(all.escapes, escapes);
    }
    bool fault = false;
    if (thread < 16) {
      const std::uint32_t exponent = base::load_byte(code + unit::table_at + thread);
      if (thread == 0) fault = exponent != 0;
      else fault = thread > 1 && base::load_byte(code + unit::table_at + thread - 1) >= exponent;
    }
    for (std::uint32_t i = thread; i < how.room; i += threads) fault = fault || is_fault(how, code, i, my);
    const std::uint32_t behind = how.exponents_at() + how.room + thread;
    if (behind < how.head_bytes()) fault = fault || base::load_byte(code + behind) != 0;
    if (fault) Machine::set_bits(all.faults, 1);
  }

  [[nodiscard]] static constexpr bool is_fault(const unit& how, const std::byte* code, std::uint32_t i, const mine& my)
  {
    const std::uint32_t place = base::load_place(code, i);
    const std::uint32_t exponent = base::load_byte(code + how.exponents_at() + i);
    if (i >= my.escapes) return place != 0 || exponent != 0;
    if (place >= how.values || (i != 0 && place <= base::load_place(code, i - 1))) return true;
    const std::uint32_t both = base::load_byte(code + how.code_at(place));
    if ((unit::is_high(place) ? both >> 4 : both & 15) != 0) return true;
    bool has_code = false;
    unrolled<4>([&](auto at) {
      std::uint32_t differ = my.table[at] ^ exponent * 0x01010101;
      if (at == 0) differ |= 0xFF;  // code 0 has no exponent
      has_code = has_code || ((differ - 0x01010101) & ~differ & 0x80808080) != 0;
    });
    return has_code;
  }

  static constexpr void write(const task_type& task, std::uint32_t thread, mine& my, const shared& all)
  {
    const unit& how = task.coder.unit(task.unit);
    const std::byte* const code = task.piece.code + task.coder.code_at(task.unit);
    std::byte* const raw = task.piece.raw + task.coder.raw_at(task.unit);
    my.is_sound = my.escapes <= how.room && all.faults == 0 && all.escapes == my.escapes;
    if (!my.is_sound) {
      const bool is_raw = base::load_long(code) == how.head_of_raw();
      const bool kept = is_raw && task.piece.elsewhere != nullptr;
      base::count(task, thread, {.raw = is_raw ? 1U : 0U, .faults = kept ? 0U : 1U});
      if (kept) {
        copy_by_threads<Machine>(raw, task.piece.elsewhere + task.coder.raw_at(task.unit), how.raw_bytes(), thread,
                                 threads);
      } else {
        poison_by_threads<Machine>(raw, how.raw_bytes(), thread, threads);
      }
      return;
    }
    if (thread >= how.groups()) return;
    base::store_tops(how, raw, thread, code, [&](auto word) {
      quad top = {};
      unrolled<2>([&](auto i) {
        const std::uint32_t at = word % 2 * 2 + i;
        const std::uint32_t exponents = look_up(my.table, word < 2 ? my.codes[at] : my.codes[at] >> 4);
        const std::uint32_t rest = word < 2 ? my.first[at] : my.second[at];
        const std::uint32_t high = (rest & 0x80808080) | (exponents >> 1 & 0x7F7F7F7F);
        const std::uint32_t low = (rest & 0x7F7F7F7F) | (exponents << 7 & 0x80808080);
        top[2 * i] = Machine::permute(low, high, 0x5140);
        top[2 * i + 1] = Machine::permute(low, high, 0x7362);
      });
      return top;
    });
  }

  /// Four exponents, of the lower halves of four bytes.
  [[nodiscard]] static constexpr std::uint32_t look_up(const quad& table, std::uint32_t codes)
  {
    const std::uint32_t halves = codes & 0x0F0F0F0F;
    const std::uint32_t pairs = halves | halves >> 4;                        // bytes 0 and 2: two codes each
    const std::uint32_t selectors = Machine::permute(pairs, pairs, 0x2020);  // four codes, one after the other
    const std::uint32_t of_first = Machine::permute(table[0], table[1], selectors & 0x7777);
    const std::uint32_t of_second = Machine::permute(table[2], table[3], selectors & 0x7777);
    return Machine::permute(of_first, of_second, 0x3210 + (selectors >> 1 & 0x4444));
  }

  static constexpr void mend(const task_type& task, std::uint32_t thread, const mine& my, shared& all)
  {
    if (thread == 0) all = {0, 0};
    if (!my.is_sound) return;
    const unit& how = task.coder.unit(task.unit);
    const std::byte* const code = task.piece.code + task.coder.code_at(task.unit);
    std::byte* const raw = task.piece.raw + task.coder.raw_at(task.unit);
    for (std::uint32_t i = thread; i < my.escapes; i += threads) {
      const std::uint32_t place = base::load_place(code, i);
      const std::uint32_t exponent = base::load_byte(code + how.exponents_at() + i);
      const std::uint32_t rest = base::load_byte(code + how.rest_at(place));
      base::store_half(raw + how.top_at(place), base::with_exponent(rest, exponent));
    }
  }
};

}  // namespace kvstrata
