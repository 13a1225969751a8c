// A sample of docs/concepts/position.md.
#include <kvstrata/position/concepts.hpp>

// Kept turned as if every block began at 100, where most of them stand; copied and turned on where they do not.
struct kept_at_hundred
{
  static constexpr std::string_view name = "kept_at_hundred";
  static constexpr bool encodes = true;
  static constexpr bool turns_reads = false;

  [[nodiscard]] constexpr kvstrata::turn_by kept(kvstrata::token_count token) const noexcept { return 100 + token; }
  [[nodiscard]] constexpr kvstrata::turn_by copied(kvstrata::token_count start) const noexcept
  {
    return static_cast<kvstrata::turn_by>(start) - 100;
  }
  [[nodiscard]] constexpr kvstrata::turn_by read(kvstrata::token_count /*position*/) const noexcept { return 0; }
};
static_assert(kvstrata::position_policy<kept_at_hundred>);
static_assert(!kvstrata::is_copied(kept_at_hundred(), 100) && kvstrata::is_copied(kept_at_hundred(), 200));

#ifndef KVSTRATA_RIGHT
// says: position_policy
struct turns_by_parts  // positions are whole numbers
{
  static constexpr std::string_view name = "turns_by_parts";
  static constexpr bool encodes = true;
  static constexpr bool turns_reads = false;
  double kept(kvstrata::token_count token) const noexcept { return token; }
  double copied(kvstrata::token_count start) const noexcept { return start; }
  double read(kvstrata::token_count) const noexcept { return 0; }
};
static_assert(kvstrata::position_policy<turns_by_parts>);
#endif
