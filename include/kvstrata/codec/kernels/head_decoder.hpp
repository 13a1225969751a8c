// int8 and fp8 by the threads of a block: codes to values.
#pragma once

#include <kvstrata/codec/kernels/head_words.hpp>

#include <cstddef>
#include <cstdint>

namespace kvstrata {

/// Phase 0 looks for bytes that are no code, where there are such, 1 decodes, 2 makes ready.
template <byte_arithmetic Arithmetic, class Machine>
struct block_decoder<codec::head_coder<Arithmetic>, Machine> : head_block<Arithmetic, Machine>
{
  using base = head_block<Arithmetic, Machine>;
  using base::threads;
  using typename base::coder_type;
  using typename base::task_type;

  struct shared
  {
    std::uint32_t is_malformed;
  };
  struct mine
  {
  };

  static constexpr std::uint32_t phases = 3;

  static constexpr void set_up(const coder_type&, std::uint32_t thread, shared& all) { make_ready(thread, all); }

  template <std::uint32_t Phase>
  static constexpr void phase(const task_type& task, std::uint32_t thread, mine&, shared& all)
  {
    if constexpr (Phase == 0) look(task, thread, all);
    else if constexpr (Phase == 1) write(task, thread, all);
    else make_ready(thread, all);
  }

 private:
  static constexpr void make_ready(std::uint32_t thread, shared& all)
  {
    if (thread == 0) all.is_malformed = 0;
  }

  static constexpr void look(const task_type& task, std::uint32_t thread, shared& all)
  {
    if constexpr (!Arithmetic::any_byte) {
      const std::byte* const code = base::code_of(task);
      if (base::load_head(code).kind(task.coder.arithmetic().letters()) != unit_kind::coded) return;
      base::with_words(task, [&]<element_type E, bool In_words>(const head_words<Machine, E, In_words>& w) {
        using words = head_words<Machine, E, In_words>;
        bool all_codes = true;
        for (std::uint32_t word = thread; word < w.words(); word += threads) {
          const auto codes = w.load_codes(code, word);
          unrolled<words::count>([&](auto i) { all_codes = all_codes && Arithmetic::is_code(codes[i]); });
        }
        if (!all_codes) Machine::set_bits(all.is_malformed, 1);
      });
    }
  }

  static constexpr void write(const task_type& task, std::uint32_t thread, const shared& all)
  {
    const Arithmetic& arithmetic = task.coder.arithmetic();
    const std::byte* const code = base::code_of(task);
    const codec::unit_head head = base::load_head(code);
    const unit_kind kind = all.is_malformed != 0 ? unit_kind::malformed : head.kind(arithmetic.letters());
    base::with_words(task, [&]<element_type E, bool In_words>(const head_words<Machine, E, In_words>& w) {
      using words = head_words<Machine, E, In_words>;
      if (kind == unit_kind::coded) {
        for (std::uint32_t word = thread; word < w.words(); word += threads) {
          const auto codes = w.load_codes(code, word);
          typename words::values values = {};
          unrolled<words::count>(
              [&](auto i) { values[i] = arithmetic.template from_byte<E, typename base::product>(codes[i], head); });
          w.store(task.piece.raw, word, values);
        }
        return;
      }
      const bool raw = kind == unit_kind::raw;
      const bool kept = raw && task.piece.elsewhere != nullptr;
      base::count(task, thread, {.raw = raw ? 1U : 0U, .faults = kept ? 0U : 1U});
      if (kept) w.copy(task.piece.raw, task.piece.elsewhere, thread, threads);
      else w.poison(task.piece.raw, thread, threads);
    });
  }
};

}  // namespace kvstrata
