// Look, write, make ready: the phases of bodies (block_coder.hpp) whose threads look at all of a unit before any of them writes,
// because what one sees decides what all write.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>
#include <variant>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What such a Body derives from. It has
///
/// expression                                 meaning
/// ------------------------------------------ ---------------------------------------------------------------------------
/// Body::look(task, thread, mine)             a thread's part of looking: has it seen what spoils the unit? May be missing
/// Body::write(task, thread, mine, is_spoilt) a thread's part of writing; is_spoilt: one of them has
///
/// `mine` is a Mine: what a thread keeps from the one to the other.
template <class Body, class Machine, class Mine = std::monostate>
struct flagged_block
{
  struct shared
  {
    std::uint32_t is_spoilt;
  };
  using mine = Mine;

  static constexpr std::uint32_t phases = 3;

  template <class Coder>
  static constexpr void set_up(const Coder&, std::uint32_t thread, shared& all)
  {
    make_ready(thread, all);
  }

  template <std::uint32_t Phase, class Task>
  static constexpr void phase(const Task& task, std::uint32_t thread, mine& my, shared& all)
  {
    if constexpr (Phase == 0) {
      if constexpr (requires { Body::look(task, thread, my); }) {
        if (Body::look(task, thread, my)) Machine::set_bits(all.is_spoilt, 1);
      }
    } else if constexpr (Phase == 1) {
      Body::write(task, thread, my, all.is_spoilt != 0);
    } else {
      make_ready(thread, all);
    }
  }

 private:
  static constexpr void make_ready(std::uint32_t thread, shared& all)
  {
    if (thread == 0) all.is_spoilt = 0;
  }
};

}  // namespace kvstrata
