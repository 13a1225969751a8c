// A bounded memory of who left, for callers who keep the hooks of those and find them again by their keys: a hook goes from
// a list of residents into a list of ghosts and back, and no key is looked up or stored for it.
//
//   expect:      who comes; null when nothing is kept of them
//   remember:    the hook becomes the youngest of a list
//   find, take:  of whoever is expected, as in ghost_list (replacement/ghost_list.hpp). Whoever is inserted is taken first
//   forget:      the oldest of a list goes; forgotten() gives it back to the caller
//
// A ghost_list and this remember and forget the same: a policy decides alike, whichever it has.
#pragma once

#include <kvstrata/replacement/ghost_list.hpp>

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// `Hook` is a boost::intrusive::list_base_hook with members `bytes` (told_bytes or one_byte) and `std::uint8_t ghost`, the
/// latter this class's. Every operation O(1); allocates nothing. Not synchronised.
template <class Hook, std::uint32_t Lists = 1>
class ghost_hooks
{
 public:
  using ghost = typename ghost_list<Lists>::ghost;

  /// At most so many in all lists together. `largest` is what ghost_list asks for.
  explicit ghost_hooks(std::uint64_t slots, std::uint64_t /*largest*/) noexcept : slots_(slots) {}

  /// Is the hook kept for the policy, and not an object's?
  [[nodiscard]] static bool keeps(const Hook& hook) noexcept { return hook.ghost != nobody; }
  /// Who comes: find() and take() are about them until another is expected. Null when their hook is not kept.
  void expect(Hook* coming) noexcept { coming_ = coming; }
  /// The hook that has been remembered no more for the longest, which is the caller's again; null when there is none. To be
  /// asked once whoever was expected has come, or will not.
  [[nodiscard]] Hook* forgotten() noexcept
  {
    if (forgotten_.empty()) return nullptr;
    Hook& first = forgotten_.front();
    forgotten_.pop_front();
    first.ghost = nobody;
    return &first;
  }

  [[nodiscard]] std::uint64_t size() const noexcept
  {
    std::uint64_t all = 0;
    for (std::uint32_t list = 0; list < Lists; ++list) all += keys(list);
    return all;
  }
  [[nodiscard]] std::uint64_t slots() const noexcept { return slots_; }
  [[nodiscard]] std::uint64_t bytes(std::uint32_t list = 0) const noexcept { return bytes_[list]; }

  /// The hook, which is in no list, becomes the youngest of `list`. When there is no slot, the oldest of that list is
  /// forgotten for it, or the oldest of another when that list is empty. Without any slots it stays the caller's.
  void remember(Hook& hook, std::uint64_t /*key*/, std::uint64_t bytes, std::uint32_t list = 0) noexcept
  {
    if (slots_ == 0) return;
    if (size() == slots_) {
      std::uint32_t from = list;
      while (keys(from) == 0) from = from + 1 == Lists ? 0 : from + 1;
      forget(from);
    }
    hook.bytes = bytes;
    hook.ghost = static_cast<std::uint8_t>(first_list + list);
    lists_[list].push_back(hook);
    bytes_[list] += bytes;
    if constexpr (!all_are_one) ++keys_[list];
  }

  [[nodiscard]] std::optional<ghost> find(std::uint64_t /*key*/) const noexcept
  {
    if (coming_ == nullptr || coming_->ghost < first_list) return std::nullopt;
    return ghost{.bytes = coming_->bytes, .list = coming_->ghost - std::uint32_t{first_list}};
  }
  std::optional<ghost> take(std::uint64_t key) noexcept
  {
    if (coming_ == nullptr || coming_->ghost == nobody) return std::nullopt;
    const auto found = find(key);
    if (found) uncount(*coming_);
    lists_[0].erase(list_of_hooks::s_iterator_to(*coming_));  // of whichever list: none is counted
    coming_->ghost = nobody;
    return found;
  }

  void limit(std::uint64_t bytes, std::uint32_t list = 0) noexcept
  {
    while (bytes_[list] > bytes) forget(list);
  }
  void forget(std::uint32_t list = 0) noexcept
  {
    Hook& oldest = lists_[list].front();
    uncount(oldest);
    oldest.ghost = forgot;
    forgotten_.splice(forgotten_.end(), lists_[list], lists_[list].begin());
  }

 private:
  using list_of_hooks = boost::intrusive::list<Hook, boost::intrusive::constant_time_size<false>>;
  static constexpr bool all_are_one = std::is_empty_v<decltype(Hook::bytes)>;  // one_byte
  static constexpr std::uint8_t nobody = 0;                                    // Hook::ghost of an object
  static constexpr std::uint8_t forgot = 1;
  static constexpr std::uint8_t first_list = 2;

  [[nodiscard]] std::uint64_t keys(std::uint32_t list) const noexcept
  {
    if constexpr (all_are_one) return bytes_[list];
    else return keys_[list];
  }
  void uncount(const Hook& hook) noexcept
  {
    const std::uint32_t list = hook.ghost - std::uint32_t{first_list};
    bytes_[list] -= hook.bytes;
    if constexpr (!all_are_one) --keys_[list];
  }

  std::uint64_t slots_;
  Hook* coming_ = nullptr;
  std::array<list_of_hooks, Lists> lists_;  // the oldest first
  list_of_hooks forgotten_;
  std::array<std::uint64_t, Lists> bytes_{};
  std::array<std::uint64_t, Lists> keys_{};  // where their number is another
};

/// What a policy remembers who left by: their keys, in memory of its own ...
struct ghosts_by_key
{
  template <class Policy>
  struct mark
  {
  };
  template <class Hook, std::uint32_t Lists = 1>
  using memory = ghost_list<Lists>;
};
/// ... or their hooks, which the caller keeps.
struct ghosts_by_hook
{
  template <class Policy>
  struct mark
  {
    std::uint8_t ghost = 0;
  };
  template <class Hook, std::uint32_t Lists = 1>
  using memory = ghost_hooks<Hook, Lists>;
};

}  // namespace kvstrata
